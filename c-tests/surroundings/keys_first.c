/* A library whose constructor runs before all others and takes 40 keys, so that
   whoever asks next gets a key for which pthread_setspecific allocates. */
#include <pthread.h>
#include <stdlib.h>

__attribute__((constructor)) static void take_keys(void)
{
    for (int count = 0; count < 40; count++) {
        pthread_key_t key;
        if (pthread_key_create(&key, NULL) != 0)
            abort();
    }
}
