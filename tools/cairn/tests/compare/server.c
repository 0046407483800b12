/* A server for one word, on a socket in the file system.
 *
 * server serve PATH [daemon]   answers each connection after 16 MiB are allocated and touched
 * server ask PATH COUNT        connects so often; fails if nothing answers */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BYTES = 16 << 20 };

static struct sockaddr_un place(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    return address;
}

static int serve(const char *path, int daemon)
{
    struct sockaddr_un address = place(path);
    int listening = socket(AF_UNIX, SOCK_STREAM, 0);
    unlink(path);
    if (daemon) {
        if (fork() != 0)
            return 0;
        setsid();
        if (fork() != 0)
            return 0;
    }
    if (bind(listening, (struct sockaddr *)&address, sizeof address) != 0 || listen(listening, 8) != 0) {
        perror("server");
        return 1;
    }
    for (;;) {
        int connection = accept(listening, NULL, NULL);
        char *memory = malloc(BYTES);
        if (connection < 0 || memory == NULL)
            return 1;
        memset(memory, 1, BYTES);
        if (write(connection, memory, 1) != 1)
            return 1;
        free(memory);
        close(connection);
    }
}

static int ask(const char *path, int count)
{
    struct sockaddr_un address = place(path);
    for (int i = 0; i < count; i++) {
        char answer;
        int connection = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(connection, (struct sockaddr *)&address, sizeof address) != 0 ||
            read(connection, &answer, 1) != 1) {
            perror("no answer");
            return 1;
        }
        close(connection);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    if (strcmp(argv[1], "serve") == 0)
        return serve(argv[2], argc > 3);
    return ask(argv[2], argc > 3 ? atoi(argv[3]) : 1);
}
