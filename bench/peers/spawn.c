/* Times whole processes, in turns: spawn ROUNDS COMMAND… [+++ COMMAND…]…
   Prints the median of each in microseconds. posix_spawn (vfork inside) costs the same for all. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;
enum { MOST = 8 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static double once(char **command, posix_spawn_file_actions_t *quiet) {
  pid_t child;
  int status;
  double start = now();
  if (posix_spawn(&child, command[0], quiet, NULL, command, environ) || waitpid(child, &status, 0) < 0 || status) {
    fprintf(stderr, "`%s` failed\n", command[0]);
    exit(1);
  }
  return now() - start;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  int rounds = argc > 2 ? atoi(argv[1]) : 0, count = 0;
  char **commands[MOST];
  if (rounds < 1) return fprintf(stderr, "spawn ROUNDS COMMAND… [+++ COMMAND…]…\n"), 2;
  commands[count++] = argv + 2;
  for (int i = 2; i < argc; i++) {
    if (strcmp(argv[i], "+++") || count == MOST) continue;
    argv[i] = NULL;
    commands[count++] = argv + i + 1;
  }
  posix_spawn_file_actions_t quiet;
  posix_spawn_file_actions_init(&quiet);
  posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
  double *taken[MOST];
  for (int c = 0; c < count; c++) taken[c] = malloc(rounds * sizeof(double));
  for (int r = 0; r < rounds; r++)
    for (int c = 0; c < count; c++) taken[c][r] = once(commands[c], &quiet);
  for (int c = 0; c < count; c++) {
    qsort(taken[c], rounds, sizeof(double), ascending);
    printf("%.1f\n", taken[c][rounds / 2]);
  }
  return 0;
}
