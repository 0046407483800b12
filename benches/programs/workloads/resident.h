/* Resident memory, read and printed without a call that allocates. */
#ifndef RESIDENT_H
#define RESIDENT_H

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The number after `key` in a file of /proc, in KiB. */
static inline size_t read_kib(const char *path, const char *key)
{
    static char text[8192];
    int file = open(path, O_RDONLY);
    ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (length <= 0)
        _exit(2);
    close(file);
    text[length] = '\0';
    const char *at = strstr(text, key);
    if (at == NULL)
        _exit(3);
    return strtoul(at + strlen(key), NULL, 10);
}

/* Resident KiB of this process, counted page by page. What statm and status
 * say is kept in batches per core and is off by some hundred KiB. */
static inline size_t resident_kib(void)
{
    return read_kib("/proc/self/smaps_rollup", "\nRss:");
}

/* A line "key number". */
static inline void say(const char *key, size_t number)
{
    char line[80];
    size_t length = strlen(key);
    if (length > sizeof line - 24)
        _exit(4);
    memcpy(line, key, length);
    line[length++] = ' ';
    char digits[24];
    size_t count = 0;
    do
        digits[count++] = (char)('0' + number % 10);
    while (number /= 10);
    while (count)
        line[length++] = digits[--count];
    line[length++] = '\n';
    if (write(STDOUT_FILENO, line, length) != (ssize_t)length)
        _exit(5);
}

#endif
