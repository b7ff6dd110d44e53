/* The C ABI itself, as the other programs here: tokens per second after the first token, the best of three answers. */
#include <hearth/hearth.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int on_piece(const char* text, size_t length, hearth_token token, void* first) {
  (void)text;
  (void)length;
  (void)token;
  if (*(double*)first == 0) *(double*)first = now();
  return 0;
}

static void check(hearth_status status, hearth_error* error) {
  if (status == HEARTH_OK) return;
  fprintf(stderr, "%s\n", hearth_error_message(error));
  exit(1);
}

int main(int argc, char** argv) {
  hearth_error* error = NULL;
  hearth_model* model = NULL;
  hearth_session* session = NULL;
  hearth_generation_options options;
  double best = 0;
  if (argc != 3) return 2;
  check(hearth_model_open(argv[1], NULL, &model, &error), error);
  check(hearth_session_open(model, NULL, &session, &error), error);
  check(hearth_generation_options_init(&options, sizeof options, &error), error);
  options.temperature = 0;
  options.ignore_end = 1;
  options.max_tokens = (uint32_t)atoi(argv[2]);
  for (int i = 0; i < 3; ++i) {
    hearth_result* result = NULL;
    double first = 0;
    check(hearth_session_complete(session, "Once upon a time", HEARTH_NUL_TERMINATED, &options, on_piece, &first,
                                  &result, &error),
          error);
    const double speed = (options.max_tokens - 1) / (now() - first);
    if (speed > best) best = speed;
    hearth_result_free(result);
  }
  printf("%.2f\n", best);
  hearth_session_close(session);
  hearth_model_close(model);
  return 0;
}
