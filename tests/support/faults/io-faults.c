/*
 * Runs a program whose calls on files below one directory can be made to fail: `io-faults CONTROL DIRECTORY PROGRAM …`.
 * The kernel asks the supervisor before each call (seccomp_unotify(2)); so it does not matter whether a call goes
 * through the C library, and threads and child processes are covered too. The supervisor is the child of the program
 * and ends with it. CONTROL is a Unix socket that takes lines: `arm CALL ERRNO NTH TIMES` (TIMES 0: from then on until
 * `clear`), `clear`; each is answered by `SEEN FAILED CALL PATH`: calls of that kind since `arm`, how many were made to
 * fail, and the last of them. `count` fails nothing and counts all kinds; `counts` gives them as `CALL=NUMBER …`.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

/* Where the path or the descriptor of a call stands: arguments from 0; -1: there is none. */
struct call { long number; const char *kind; int fd, directory, path, path_directory2, path2; };

static const struct call calls[] = {
#ifdef SYS_open
    {SYS_open, "open", -1, -1, 0, -1, -1},
    {SYS_rename, "rename", -1, -1, 0, -1, 1},
    {SYS_link, "link", -1, -1, 1, -1, -1},
    {SYS_unlink, "unlink", -1, -1, 0, -1, -1},
    {SYS_mkdir, "mkdir", -1, -1, 0, -1, -1},
#endif
    {SYS_openat, "open", -1, 0, 1, -1, -1},
    {SYS_write, "write", 0, -1, -1, -1, -1},
    {SYS_writev, "write", 0, -1, -1, -1, -1},
    {SYS_pwrite64, "write", 0, -1, -1, -1, -1},
    {SYS_pwritev, "write", 0, -1, -1, -1, -1},
    {SYS_read, "read", 0, -1, -1, -1, -1},
    {SYS_readv, "read", 0, -1, -1, -1, -1},
    {SYS_pread64, "read", 0, -1, -1, -1, -1},
    {SYS_preadv, "read", 0, -1, -1, -1, -1},
    {SYS_fsync, "fsync", 0, -1, -1, -1, -1},
    {SYS_fdatasync, "fsync", 0, -1, -1, -1, -1},
    {SYS_ftruncate, "truncate", 0, -1, -1, -1, -1},
    {SYS_renameat, "rename", -1, 0, 1, 2, 3},
    {SYS_renameat2, "rename", -1, 0, 1, 2, 3},
    {SYS_linkat, "link", -1, 2, 3, -1, -1},
    {SYS_unlinkat, "unlink", -1, 0, 1, -1, -1},
    {SYS_mkdirat, "mkdir", -1, 0, 1, -1, -1},
    {SYS_copy_file_range, "write", 2, -1, -1, -1, -1},
    {SYS_fallocate, "write", 0, -1, -1, -1, -1},
    {SYS_sendfile, "write", 0, -1, -1, -1, -1},
};
enum { call_count = sizeof calls / sizeof calls[0] };

static long counted[call_count];
static int is_counting;

static const struct { const char *name; int number; } errors[] = {
    {"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EMFILE", EMFILE}, {"ENFILE", ENFILE}, {"EDQUOT", EDQUOT},
    {"EROFS", EROFS}, {"EACCES", EACCES}, {"ENOMEM", ENOMEM}, {"ESTALE", ESTALE},
};

static struct { char kind[16]; int error; long nth, times, seen, failed; char last[PATH_MAX + 32]; } armed;
static char root[PATH_MAX];
static size_t root_length;

static void die(const char *what) { perror(what); exit(125); }

static int is_below(const char *path) {
  return strncmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == 0);
}

static int path_of_descriptor(pid_t pid, long fd, char *path) {
  char link[64];
  if (fd == AT_FDCWD) snprintf(link, sizeof link, "/proc/%d/cwd", pid);
  else snprintf(link, sizeof link, "/proc/%d/fd/%d", pid, (int)fd);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  path[length < 0 ? 0 : length] = 0;
  return length > 0;
}

static int path_in_memory(pid_t pid, unsigned long address, long directory, char *path) {
  char text[PATH_MAX];
  size_t length = 0;
  /* Page by page: the text may end just before memory that is not there. */
  while (length < sizeof text - 1) {
    size_t piece = 4096 - (address + length) % 4096;
    if (piece > sizeof text - 1 - length) piece = sizeof text - 1 - length;
    struct iovec here = {text + length, piece}, there = {(void *)(address + length), piece};
    ssize_t got = process_vm_readv(pid, &here, 1, &there, 1, 0);
    if (got <= 0) return 0;
    if (memchr(text + length, 0, got)) break;
    length += got;
  }
  text[sizeof text - 1] = 0;
  if (text[0] == '/') return snprintf(path, PATH_MAX, "%s", text) > 0;
  char base[PATH_MAX];
  if (!path_of_descriptor(pid, directory, base)) return 0;
  return snprintf(path, PATH_MAX, "%s/%.2000s", base, text) > 0;
}

/* Whether the call is on a file below the root; `path` is which. */
static int is_ours(const struct seccomp_notif *ask, const struct call *call, char *path) {
  const __u64 *args = (const __u64 *)ask->data.args;
  if (call->fd >= 0) return path_of_descriptor(ask->pid, (int)args[call->fd], path) && is_below(path);
  long directory = call->directory < 0 ? AT_FDCWD : (int)args[call->directory];
  if (path_in_memory(ask->pid, args[call->path], directory, path) && is_below(path)) return 1;
  if (call->path2 < 0) return 0;
  directory = call->path_directory2 < 0 ? AT_FDCWD : (int)args[call->path_directory2];
  return path_in_memory(ask->pid, args[call->path2], directory, path) && is_below(path);
}

static int verdict(const struct seccomp_notif *ask) {
  if (armed.error == 0 && !is_counting) return 0;
  const struct call *call = calls;
  while (call < calls + call_count && call->number != ask->data.nr) call++;
  if (call == calls + call_count || (!is_counting && strcmp(call->kind, armed.kind) != 0)) return 0;
  char path[PATH_MAX];
  if (!is_ours(ask, call, path)) return 0;
  if (is_counting) counted[call - calls]++;
  if (armed.error == 0) return 0;
  armed.seen++;
  if (armed.seen < armed.nth || (armed.times > 0 && armed.seen >= armed.nth + armed.times)) return 0;
  armed.failed++;
  snprintf(armed.last, sizeof armed.last, "%s %s", call->kind, path);
  return armed.error;
}

static void answer(int listener) {
  struct seccomp_notif ask;
  memset(&ask, 0, sizeof ask);
  if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &ask) != 0) return;
  struct seccomp_notif_resp reply = {.id = ask.id};
  int error = verdict(&ask);
  if (error) reply.error = -error;
  else reply.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &reply);
}

static void obey(int client, char *line) {
  char kind[16], name[16];
  long nth, times;
  if (sscanf(line, "arm %15s %15s %ld %ld", kind, name, &nth, &times) == 4) {
    memset(&armed, 0, sizeof armed);
    memcpy(armed.kind, kind, sizeof kind);
    armed.nth = nth;
    armed.times = times;
    for (size_t at = 0; at < sizeof errors / sizeof errors[0]; at++)
      if (strcmp(errors[at].name, name) == 0) armed.error = errors[at].number;
  } else armed.error = 0;
  if (strncmp(line, "counts", 6) == 0) {
    for (size_t at = 0; at < call_count; at++) dprintf(client, "%s=%ld ", calls[at].kind, counted[at]);
    dprintf(client, "\n");
    return;
  }
  is_counting = strncmp(line, "count", 5) == 0;
  if (is_counting) memset(counted, 0, sizeof counted);
  dprintf(client, "%ld %ld %s\n", armed.seen, armed.failed, armed.last);
}

static void supervise(int listener, const char *control) {
  signal(SIGPIPE, SIG_IGN);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", control);
  unlink(control);
  int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(server, (struct sockaddr *)&address, sizeof address) != 0 || listen(server, 4) != 0) die(control);
  struct pollfd watched[3] = {{listener, POLLIN, 0}, {server, POLLIN, 0}, {-1, POLLIN, 0}};
  for (;;) {
    if (poll(watched, 3, -1) < 0 && errno != EINTR) die("poll");
    if (watched[0].revents & POLLIN) answer(listener);
    if (watched[0].revents & POLLHUP) exit(0);
    if (watched[1].revents & POLLIN) {
      if (watched[2].fd >= 0) close(watched[2].fd);
      watched[2].fd = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    } else if (watched[2].revents) {
      char line[128];
      ssize_t got = read(watched[2].fd, line, sizeof line - 1);
      if (got <= 0) {
        close(watched[2].fd);
        watched[2].fd = -1;
      } else {
        line[got] = 0;
        obey(watched[2].fd, line);
      }
    }
  }
}

static int install_filter(void) {
  struct sock_filter program[call_count + 5] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
  };
  size_t length = 1;
  for (size_t at = 0; at < call_count; at++)
    program[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[at].number, call_count - at, 0);
  program[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  program[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
  struct sock_fprog filter = {length, program};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) die("no_new_privs");
  int listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter);
  if (listener < 0) die("seccomp");
  return listener;
}

static void pass(int socket, int fd, char *space, size_t size, int sends) {
  char byte = 0;
  struct iovec data = {&byte, 1};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = space, .msg_controllen = size};
  if (!sends) {
    if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) <= 0) exit(125);
    return;
  }
  struct cmsghdr *head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(head), &fd, sizeof fd);
  if (sendmsg(socket, &message, 0) <= 0) die("sendmsg");
}

int main(int argc, char **argv) {
  if (argc < 4 || !realpath(argv[2], root)) {
    fprintf(stderr, "usage: io-faults CONTROL DIRECTORY PROGRAM [ARGUMENT …]\n");
    return 125;
  }
  root_length = strlen(root);
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) die("socketpair");
  char space[CMSG_SPACE(sizeof(int))];
  memset(space, 0, sizeof space);
  pid_t supervisor = fork();
  if (supervisor == 0) {
    setsid();
    close(pair[0]);
    pass(pair[1], 0, space, sizeof space, 0);
    int listener;
    memcpy(&listener, CMSG_DATA((struct cmsghdr *)space), sizeof listener);
    close(pair[1]);
    /* The program's output ends with the program. */
    int nothing = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++) dup2(nothing, fd);
    supervise(listener, argv[1]);
  }
  close(pair[1]);
  int listener = install_filter();
  pass(pair[0], listener, space, sizeof space, 1);
  close(listener);
  char byte;
  recv(pair[0], &byte, 1, 0);
  execvp(argv[3], argv + 3);
  die(argv[3]);
}
