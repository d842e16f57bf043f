// Notes everything that a program does to the files of one folder, in order: see disk.rs.
//
// To be preloaded (LD_PRELOAD). RECORDER_FOLDER is the folder, as the program names it; RECORDER_LOG the file that
// gets the notes. It must lie elsewhere. The functions replaced here are those that change files; the rest of the
// program does not notice.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { DESCRIPTORS = 1024 };

// One change and its note are made together: the order of the notes is that of the changes.
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static unsigned char followed[DESCRIPTORS];
static const char *folder;
static int notes = -1;
static uint64_t syncs;
static unsigned writes;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("RECORDER_LOG");
    folder = getenv("RECORDER_FOLDER");
    if (!path || !folder) return;
    notes = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (notes < 0) abort();
}

static void put(const void *bytes, size_t size) {
    const char *at = bytes;
    while (size > 0) {
        ssize_t done = syscall(SYS_write, notes, at, size);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) abort();
        at += done;
        size -= done;
    }
}

static void note(char what, int fd, uint64_t at, const void *bytes, size_t size) {
    int saved = errno;
    struct { uint32_t what; int32_t fd; uint64_t at, size; } head = {what, fd, at, size};
    put(&head, sizeof head);
    put(bytes, size);
    errno = saved;
}

static int is_followed(int fd) { return fd >= 0 && fd < DESCRIPTORS && followed[fd]; }

static int is_inside(const char *path) {
    size_t size = folder ? strlen(folder) : 0;
    return notes >= 0 && path && !strncmp(path, folder, size) && (path[size] == '/' || !path[size]);
}

static int opened(const char *path, int flags, int mode) {
    if (!is_inside(path)) return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    pthread_mutex_lock(&one_at_a_time);
    int fd = syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (fd >= 0) {
        if (fd >= DESCRIPTORS) abort();
        followed[fd] = 1;
        note('O', fd, flags & O_TRUNC ? 1 : 0, path, strlen(path));
    }
    pthread_mutex_unlock(&one_at_a_time);
    return fd;
}

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, int) : 0;                                              \
        va_end(rest);                                                                                                  \
        return opened(path, flags, mode);                                                                              \
    }
OPEN(open)
OPEN(open64)

int close(int fd) {
    if (!is_followed(fd)) return syscall(SYS_close, fd);
    pthread_mutex_lock(&one_at_a_time);
    followed[fd] = 0;
    int result = syscall(SYS_close, fd);
    pthread_mutex_unlock(&one_at_a_time);
    return result;
}

ssize_t write(int fd, const void *bytes, size_t size) {
    if (!is_followed(fd)) return syscall(SYS_write, fd, bytes, size);
    pthread_mutex_lock(&one_at_a_time);
    ssize_t done = syscall(SYS_write, fd, bytes, size);
    if (done > 0) note('W', fd, syscall(SYS_lseek, fd, 0, SEEK_CUR) - done, bytes, done);
    pthread_mutex_unlock(&one_at_a_time);
    return done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
    if (!is_followed(fd)) return syscall(SYS_pwrite64, fd, bytes, size, at);
    pthread_mutex_lock(&one_at_a_time);
    ssize_t done = syscall(SYS_pwrite64, fd, bytes, size, at);
    if (done > 0) note('W', fd, at, bytes, done);
    unsigned slow = ++writes * 7919 % 400;
    pthread_mutex_unlock(&one_at_a_time);
    usleep(slow); // as on a busy disk: other threads come in between
    return done;
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) { return pwrite64(fd, bytes, size, at); }

// A part of it is a whole write: the caller goes on with the rest.
ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (!is_followed(fd) || count < 1) return syscall(SYS_writev, fd, parts, count);
    return write(fd, parts[0].iov_base, parts[0].iov_len);
}

int ftruncate64(int fd, off64_t size) {
    if (!is_followed(fd)) return syscall(SYS_ftruncate, fd, size);
    pthread_mutex_lock(&one_at_a_time);
    int result = syscall(SYS_ftruncate, fd, size);
    if (!result) note('T', fd, size, "", 0);
    pthread_mutex_unlock(&one_at_a_time);
    return result;
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

// As on a file system that cannot: callers write zeros then.
int fallocate64(int fd, int mode, off64_t at, off64_t size) {
    if (!is_followed(fd)) return syscall(SYS_fallocate, fd, mode, at, size);
    errno = EOPNOTSUPP;
    return -1;
}

int fallocate(int fd, int mode, off_t at, off_t size) { return fallocate64(fd, mode, at, size); }

// Others may write meanwhile: what was written before the first note is safe after the second one.
static int synced(long call, int fd) {
    if (!is_followed(fd)) return syscall(call, fd);
    pthread_mutex_lock(&one_at_a_time);
    uint64_t number = syncs++;
    note('S', fd, number, "", 0);
    pthread_mutex_unlock(&one_at_a_time);
    usleep(1000 + number * 7919 % 2000); // as on a card: other threads go on meanwhile
    int result = syscall(call, fd);
    pthread_mutex_lock(&one_at_a_time);
    if (!result) note('E', fd, number, "", 0);
    pthread_mutex_unlock(&one_at_a_time);
    return result;
}

int fsync(int fd) { return synced(SYS_fsync, fd); }
int fdatasync(int fd) { return synced(SYS_fdatasync, fd); }

int unlink(const char *path) {
    if (!is_inside(path)) return syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    pthread_mutex_lock(&one_at_a_time);
    int result = syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (!result) note('U', -1, 0, path, strlen(path));
    pthread_mutex_unlock(&one_at_a_time);
    return result;
}

int rename(const char *from, const char *to) {
    if (!is_inside(from)) return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    size_t size = strlen(from);
    char both[size + 1 + strlen(to)];
    memcpy(both, from, size + 1);
    memcpy(both + size + 1, to, strlen(to));
    pthread_mutex_lock(&one_at_a_time);
    int result = syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (!result) note('R', -1, 0, both, sizeof both);
    pthread_mutex_unlock(&one_at_a_time);
    return result;
}
