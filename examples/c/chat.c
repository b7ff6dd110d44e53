/* Answers each line of stdin, streaming; the conversation goes on from line to line.
 *
 *   cc chat.c -o chat $(pkg-config --cflags --libs hearth)
 *   echo "Why is the sky blue?" | ./chat model.gguf
 */
#include <hearth/hearth.h>
#include <stdio.h>
#include <string.h>

static int on_piece(const char* text, size_t length, hearth_token token, void* user) {
  (void)token;
  (void)user;
  fwrite(text, 1, length, stdout);
  fflush(stdout);
  return 0; /* go on */
}

static int fail(hearth_error* error) {
  fprintf(stderr, "chat: error: %s\n", hearth_error_message(error));
  hearth_error_free(error);
  return 1;
}

int main(int argc, char** argv) {
  hearth_model* model = NULL;
  hearth_session* session = NULL;
  hearth_error* error = NULL;
  hearth_generation_options options;
  char line[4096];

  if (argc != 2) {
    fprintf(stderr, "usage: chat MODEL.gguf\n");
    return 2;
  }
  if (hearth_model_open(argv[1], NULL, &model, &error) != HEARTH_OK) return fail(error);
  if (hearth_session_open(model, NULL, &session, &error) != HEARTH_OK) return fail(error);
  if (hearth_generation_options_init(&options, sizeof options, &error) != HEARTH_OK) return fail(error);
  options.temperature = 0;
  options.max_tokens = 100;

  while (fgets(line, sizeof line, stdin) != NULL) {
    hearth_result* result = NULL;
    line[strcspn(line, "\n")] = 0;
    if (hearth_session_say(session, line, HEARTH_NUL_TERMINATED, &options, on_piece, NULL, &result, &error) !=
        HEARTH_OK)
      return fail(error);
    printf("\n");
    fprintf(stderr, "(%zu tokens in %.2f s)\n", result->generated_tokens, result->generation_seconds);
    hearth_result_free(result);
  }
  hearth_session_close(session);
  hearth_model_close(model);
  return 0;
}
