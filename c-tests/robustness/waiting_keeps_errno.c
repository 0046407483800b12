/* free and free_sized leave errno alone, and so does a malloc that succeeds, also
   when they have to wait for a lock and the calls with which they wait fail: they
   are interrupted, or futex is refused, and then yields and naps serve. Another thread holds the registry of
   mapped chunks: it stands in the mmap for a larger table until this one has
   waited a while. Built with -rdynamic: the syscall below is everybody's. */
#include "check.h"
#include "kernel.h"
#include <dlfcn.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { LARGE = 256 << 10, MOST = 5000, WAITS = 5, MARK = 77 };

static atomic_int held, released, waits;
static __thread int fills, counts;
static int refused;

long syscall(long nr, ...)
{
    long a[6];
    TAKE_ARGUMENTS(a, nr);
    if (refused && nr == SYS_futex) {
        errno = ENOSYS;
        return -1;
    }
    int sleeps = nr == SYS_futex && (a[1] & ~FUTEX_PRIVATE_FLAG) == FUTEX_WAIT;
    if (counts && (sleeps || nr == SYS_sched_yield || nr == SYS_nanosleep)) {
        if (atomic_fetch_add(&waits, 1) + 1 == WAITS)
            atomic_store(&released, 1);
        kernel(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
        errno = EINTR;
        return -1;
    }
    /* A table that is too large for the allocator's spans, reserved first. */
    if (fills && nr == SYS_mmap && a[2] == PROT_NONE && a[1] < 1 << 20 && !atomic_load(&released)) {
        atomic_store(&held, 1);
        while (!atomic_load(&released))
            kernel(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
    }
    return answer(kernel(nr, a[0], a[1], a[2], a[3], a[4], a[5]));
}

static void *fill(void *unused)
{
    fills = 1;
    for (int i = 0; i < MOST && !atomic_load(&released); i++)
        CHECK(opaque(malloc(LARGE)) != NULL);
    return unused;
}

int main(int argc, char **argv)
{
    void (*sized)(void *, size_t);
    *(void **)&sized = dlsym(RTLD_DEFAULT, "free_sized");
    CHECK(argc == 3 && sized != NULL);
    refused = strcmp(argv[2], "refused") == 0;
    pthread_t other;
    void *p = malloc(LARGE);
    CHECK(p != NULL && pthread_create(&other, NULL, fill, NULL) == 0);
    while (!atomic_load(&held))
        kernel(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
    counts = 1;
    errno = MARK;
    if (strcmp(argv[1], "sized") == 0)
        sized(p, LARGE);
    else if (strcmp(argv[1], "malloc") == 0)
        CHECK(opaque(malloc(LARGE)) != NULL);
    else
        free(p);
    int after = errno;
    counts = 0;
    CHECK(atomic_load(&waits) >= WAITS, "%d waits", atomic_load(&waits));
    CHECK(after == MARK, "errno is %d", after);
    CHECK(pthread_join(other, NULL) == 0);
    return 0;
}
