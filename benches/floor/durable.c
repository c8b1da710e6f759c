// The least that a durable change of a file costs: writes BYTES over it and calls fdatasync once, COUNT times. Prints the
// nanoseconds of each.
//
//   durable FILE BYTES COUNT
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int count, char **words) {
    if (count != 4) return 2;
    int file = open(words[1], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    size_t size = (size_t)atoll(words[2]);
    char *bytes = malloc(size);
    if (file < 0 || !bytes) return 2;
    memset(bytes, 'x', size);
    for (int number = 0; number < atoi(words[3]); number++) {
        long long begin = now();
        if (pwrite(file, bytes, size, 0) != (ssize_t)size || fdatasync(file) != 0) return 1;
        printf("%lld\n", now() - begin);
    }
    return 0;
}
