/*
 * A counter that survives kill -9: a persistent task counts, and goes on where it was.
 *
 *   cc -std=c99 counter.c -o counter -llaneway
 *   ./counter DIR GOAL     counts to GOAL, one durable step a line; kill it, start it again
 *   ./counter              does that to itself: kills a counting child three times, checks every line
 *
 * A number is printed once it is on the disk. So after a kill the next process begins with the number
 * after the last one printed, or, if the kill came between disk and line, with the one after that.
 */
#define _POSIX_C_SOURCE 200809L /* fork, kill, mkdtemp */
#include <laneway.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONG_NS UINT64_C(60000000000)
#define NAME "count"
#define ID "the counter"

static void check(laneway_status status, const char *what) {
  if (status < 0) {
    fprintf(stderr, "%s: %s\n", what, laneway_status_name(status));
    exit(EXIT_FAILURE);
  }
}

/* Waits until what was asked for is durable. */
static void settle(struct laneway_pending *pending, const char *what) {
  struct laneway_task *task = NULL;
  struct laneway_error *error = NULL;
  const laneway_status status = laneway_pending_wait(pending, LONG_NS, &task, &error);
  laneway_pending_free(pending);
  laneway_task_free(task);
  if (status != LANEWAY_OK) {
    fprintf(stderr, "%s: %s\n", what, laneway_error_message(error, NULL));
    laneway_error_free(error);
    exit(EXIT_FAILURE);
  }
}

/* The executor: the work is not the worker's but the main thread's, so it goes there by a pipe. */
static laneway_status begin(void *user_data, struct laneway_task_context *context) {
  const int *to_main = user_data;
  struct laneway_completion *completion = laneway_task_context_defer(context);
  const ssize_t written = write(*to_main, &completion, sizeof completion);
  if (written != (ssize_t)sizeof completion) {
    laneway_completion_free(completion); /* which fails the run: it is tried again */
  }
  return LANEWAY_PENDING;
}

static unsigned long number_of(struct laneway_bytes bytes) {
  char text[32] = {0};
  if (bytes.ptr != NULL && bytes.len < sizeof text) {
    memcpy(text, bytes.ptr, bytes.len);
  }
  return strtoul(text, NULL, 10);
}

/* Counts from the last checkpoint to the goal. */
static void count(struct laneway_completion *completion) {
  struct laneway_task_view view;
  struct laneway_pending *pending = NULL;
  unsigned long number, goal;
  char text[32];
  laneway_task_view_init(&view, sizeof view);
  check(laneway_completion_read(completion, &view), "read the task");
  goal = number_of(view.params);
  for (number = number_of(view.state) + 1; number <= goal; number++) {
    const int len = snprintf(text, sizeof text, "%lu", number);
    check(laneway_completion_checkpoint(completion, text, (size_t)len, &pending), "checkpoint");
    settle(pending, "checkpoint");
    printf("%s\n", text);
    fflush(stdout);
  }
  check(laneway_completion_complete(completion, text, strlen(text), &pending), "complete");
  settle(pending, "complete");
}

static struct laneway_task_service *open_at(struct laneway_pool *pool, const char *directory) {
  struct laneway_task_service_options options;
  struct laneway_task_service *service = NULL;
  struct laneway_error *error = NULL;
  laneway_task_service_options_init(&options, sizeof options);
  options.backend = LANEWAY_STORE_FILE;
  options.path = directory;
  if (laneway_task_service_open(pool, &options, &service, &error) != LANEWAY_OK) {
    fprintf(stderr, "%s: %s\n", directory, laneway_error_message(error, NULL));
    laneway_error_free(error);
    exit(EXIT_FAILURE);
  }
  return service;
}

/* Starts the task, or finds it as an earlier process left it, and runs it to its end. */
static void run(const char *directory, const char *goal) {
  struct laneway_pool *pool = NULL;
  struct laneway_task_service *service;
  struct laneway_executor_vtable vtable;
  struct laneway_new_task task;
  struct laneway_pending *started = NULL, *ended = NULL;
  struct laneway_completion *completion = NULL;
  int ends[2];
  if (pipe(ends) != 0) {
    perror("pipe");
    exit(EXIT_FAILURE);
  }
  check(laneway_pool_new(NULL, &pool, NULL), "pool");
  service = open_at(pool, directory);
  laneway_executor_vtable_init(&vtable, sizeof vtable);
  vtable.start = begin;
  check(laneway_task_service_register(service, NAME, strlen(NAME), &vtable, &ends[1], NULL, NULL),
        "register");
  laneway_new_task_init(&task, sizeof task);
  task.id = ID;
  task.id_len = strlen(ID);
  task.name = NAME;
  task.name_len = strlen(NAME);
  task.params = goal;
  task.params_len = strlen(goal);
  check(laneway_task_service_start(service, &task, &started), "start");
  settle(started, "start");
  if (read(ends[0], &completion, sizeof completion) == (ssize_t)sizeof completion) {
    count(completion);
  }
  check(laneway_task_service_end_of(service, ID, strlen(ID), &ended), "end of the task");
  settle(ended, "end of the task");
  check(laneway_task_service_shutdown(service, LONG_NS, NULL), "shutdown");
  laneway_task_service_release(service);
  laneway_pool_release(pool);
  close(ends[0]);
  close(ends[1]);
}

/* Runs a counting child and kills it after `lines` of its lines; gives the last number printed. */
static unsigned long round_of(const char *program, const char *directory, const char *goal,
                              unsigned long last, int lines) {
  char line[64];
  int ends[2], status = 0, first = 1;
  pid_t child;
  FILE *output;
  if (pipe(ends) != 0 || (child = fork()) < 0) {
    perror("child");
    exit(EXIT_FAILURE);
  }
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    execl(program, program, directory, goal, (char *)NULL);
    _exit(127);
  }
  close(ends[1]);
  output = fdopen(ends[0], "r");
  while (output != NULL && fgets(line, sizeof line, output) != NULL) {
    const unsigned long number = strtoul(line, NULL, 10);
    if (number != last + 1 && !(first && number == last + 2)) {
      fprintf(stderr, "%lu follows %lu\n", number, last);
      exit(EXIT_FAILURE);
    }
    first = 0;
    last = number;
    if (--lines == 0) {
      kill(child, SIGKILL); /* what is in the pipe already is still read */
    }
  }
  fclose(output);
  waitpid(child, &status, 0);
  if (lines > 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
    fprintf(stderr, "the child failed by itself: %d\n", status);
    exit(EXIT_FAILURE);
  }
  return last;
}

static int demonstrate(const char *program) {
  char parent[] = "/tmp/laneway-counter-XXXXXX", directory[sizeof parent + 8], name[sizeof parent + 32];
  static const char *const files[] = {"lock", "state.redb", "witness"};
  unsigned long last = 0;
  size_t at;
  int round;
  if (mkdtemp(parent) == NULL) {
    perror("mkdtemp");
    return EXIT_FAILURE;
  }
  snprintf(directory, sizeof directory, "%s/state", parent);
  for (round = 0; round < 3; round++) {
    last = round_of(program, directory, "100", last, 20);
    printf("killed after %lu\n", last);
  }
  last = round_of(program, directory, "100", last, 1000);
  printf("counted to %lu\n", last);
  for (at = 0; at < sizeof files / sizeof files[0]; at++) {
    snprintf(name, sizeof name, "%s/%s", directory, files[at]);
    unlink(name);
  }
  rmdir(directory);
  rmdir(parent);
  return last == 100 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv) {
  if (argc == 3) {
    run(argv[1], argv[2]);
    return EXIT_SUCCESS;
  }
  return demonstrate(argv[0]);
}
