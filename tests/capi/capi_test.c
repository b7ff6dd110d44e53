/* hearth.h from plain C99: what it promises of ownership, misuse, threads and structs. What the calls compute is held
 * by bindings/conformance. The argument is the folder that make_models.py filled. */
#include <hearth/hearth.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static const char* folder;

static const char* path_of(const char* name) {
  static char path[4096];
  snprintf(path, sizeof path, "%s/%s.gguf", folder, name);
  return path;
}

static hearth_model* open_model(const char* name) {
  hearth_model_options options;
  hearth_model* model = NULL;
  CHECK_OK(hearth_model_options_init(&options, sizeof options, &error));
  options.threads = 2;
  options.context_length = 64;
  CHECK_OK(hearth_model_open(path_of(name), &options, &model, &error));
  return model;
}

static hearth_session* open_session(hearth_model* model) {
  hearth_session* session = NULL;
  CHECK_OK(hearth_session_open(model, NULL, &session, &error));
  return session;
}

static hearth_generation_options greedy(uint32_t max_tokens) {
  hearth_generation_options options;
  CHECK_OK(hearth_generation_options_init(&options, sizeof options, &error));
  options.temperature = 0;
  options.max_tokens = max_tokens;
  options.ignore_end = 1;
  return options;
}

static void test_library(void) {
  const char* level = NULL;
  size_t i, count = hearth_cpu_level_count();
  int known = 0;
  CHECK(hearth_version()[0] >= '0' && hearth_version()[0] <= '9');
  CHECK(strstr(hearth_build_info(), hearth_version()) != NULL);
  CHECK(count >= 1 && strcmp(hearth_cpu_level_name(count - 1), "generic") == 0);
  CHECK(hearth_cpu_level_name(count) == NULL);
  CHECK_OK(hearth_cpu_level_active(&level, &error));
  for (i = 0; i < count; ++i) known += strcmp(level, hearth_cpu_level_name(i)) == 0;
  CHECK(known == 1);
  CHECK(strcmp(hearth_status_name(HEARTH_BUSY), "busy") == 0);
  CHECK(strcmp(hearth_status_name((hearth_status)99), "unknown") == 0);
  CHECK(hearth_error_status(NULL) == HEARTH_OK && hearth_error_message(NULL)[0] == 0);
}

static void test_null_is_refused(void) {
  hearth_model* model = open_model("tiny");
  hearth_session* session = open_session(model);
  hearth_model_info info;
  char* text = NULL;
  size_t count = 0;
  hearth_token* tokens = NULL;
  CHECK_STATUS(HEARTH_USAGE, hearth_model_open(NULL, NULL, &model, &error));
  CHECK(model == NULL); /* outputs are NULL after a failure */
  model = open_model("tiny");
  CHECK_STATUS(HEARTH_USAGE, hearth_model_open(path_of("tiny"), NULL, NULL, &error));
  CHECK_STATUS(HEARTH_USAGE, hearth_model_get_info(NULL, &info, &error));
  CHECK_STATUS(HEARTH_USAGE, hearth_model_get_info(model, NULL, &error));
  CHECK_STATUS(HEARTH_USAGE, hearth_tokenize(NULL, "x", 1, 0, &tokens, &count, &error));
  CHECK_STATUS(HEARTH_USAGE, hearth_tokenize(model, NULL, 1, 0, &tokens, &count, &error));
  CHECK_STATUS(HEARTH_USAGE, hearth_tokenize(model, "x", 1, 8, &tokens, &count, &error));
  CHECK_STATUS(HEARTH_USAGE, hearth_tokenize(model, "x", 1, 0, NULL, &count, &error));
  CHECK_STATUS(HEARTH_USAGE, hearth_detokenize(model, NULL, 2, 0, &text, NULL, &error));
  CHECK_STATUS(HEARTH_USAGE, hearth_render_chat(model, NULL, NULL, NULL, &text, NULL, &error));
  CHECK_STATUS(HEARTH_USAGE, hearth_session_complete(NULL, "x", 1, NULL, NULL, NULL, NULL, &error));
  CHECK_STATUS(HEARTH_USAGE,
               hearth_session_complete(session, NULL, HEARTH_NUL_TERMINATED, NULL, NULL, NULL, NULL, &error));
  CHECK_STATUS(HEARTH_USAGE, hearth_session_complete_tokens(session, NULL, 3, NULL, NULL, NULL, NULL, &error));
  CHECK_STATUS(HEARTH_USAGE, hearth_session_chat(session, NULL, NULL, NULL, NULL, NULL, &error));
  CHECK_STATUS(HEARTH_USAGE, hearth_session_set_adapters(session, NULL, NULL, 1, &error));
  CHECK_STATUS(HEARTH_USAGE, hearth_score(model, NULL, NULL, 1, NULL, NULL, &error));
  CHECK_STATUS(HEARTH_USAGE, hearth_model_options_init(NULL, sizeof(hearth_model_options), &error));
  CHECK(hearth_tokenize(NULL, "x", 1, 0, &tokens, &count, NULL) == HEARTH_USAGE); /* the error may be NULL too */
  hearth_session_cancel(NULL);
  hearth_session_close(NULL);
  hearth_model_close(NULL);
  hearth_adapter_close(NULL);
  hearth_cancel(NULL);
  hearth_cancellation_close(NULL);
  hearth_result_free(NULL);
  hearth_embeddings_free(NULL);
  hearth_error_free(NULL);
  hearth_free(NULL);
  hearth_session_close(session);
  hearth_model_close(model);
}

static void test_handles_are_checked(void) {
  hearth_model* model = open_model("tiny");
  hearth_session* session = open_session(model);
  hearth_model_info info;
  int local = 0;
  info.struct_size = sizeof info;
  CHECK_STATUS(HEARTH_USAGE, hearth_model_get_info((hearth_model*)session, &info, &error));
  CHECK_STATUS(HEARTH_USAGE, hearth_session_reset((hearth_session*)model, &error));
  CHECK_STATUS(HEARTH_USAGE, hearth_model_get_info((hearth_model*)&local, &info, &error));
  CHECK_STATUS(HEARTH_USAGE, hearth_model_get_info((hearth_model*)(uintptr_t)7, &info, &error));
  hearth_model_close((hearth_model*)session); /* another kind: nothing happens */
  CHECK_OK(hearth_session_reset(session, &error));
  hearth_session_close(session);
  hearth_session_close(session);
  CHECK_STATUS(HEARTH_CLOSED, hearth_session_reset(session, &error));
  CHECK_STATUS(HEARTH_CLOSED, hearth_session_complete(session, "x", 1, NULL, NULL, NULL, NULL, &error));
  hearth_session_cancel(session);
  hearth_model_close(model);
  hearth_model_close(model);
  CHECK_STATUS(HEARTH_CLOSED, hearth_model_get_info(model, &info, &error));
  CHECK_STATUS(HEARTH_CLOSED, hearth_session_open(model, NULL, &session, &error));
  CHECK(session == NULL);
}

static void test_struct_sizes(void) {
  hearth_model* model = open_model("tiny");
  hearth_session* session = open_session(model);
  hearth_generation_options options = greedy(2);
  hearth_model_info info;
  size_t bad[] = {0, 7, 16, sizeof options + 8, (size_t)-1};
  size_t i;
  for (i = 0; i < sizeof bad / sizeof *bad; ++i) {
    options.struct_size = bad[i];
    CHECK_STATUS(HEARTH_USAGE, hearth_session_complete(session, "x", 1, &options, NULL, NULL, NULL, &error));
    CHECK_STATUS(HEARTH_USAGE, hearth_generation_options_init(&options, bad[i], &error));
    info.struct_size = bad[i];
    CHECK_STATUS(HEARTH_USAGE, hearth_model_get_info(model, &info, &error));
  }
  hearth_session_close(session);
  hearth_model_close(model);
}

/* What a program hands over that was built before a field was added: no byte behind it may be touched. */
static void test_older_model_options(void) {
  hearth_model* model = NULL;
  const size_t older = offsetof(hearth_model_options, all_logits), page = (size_t)sysconf(_SC_PAGESIZE);
  void* memory = NULL;
  char* pages;
  hearth_model_options* options;
  CHECK(posix_memalign(&memory, page, 2 * page) == 0);
  pages = memory;
  options = (hearth_model_options*)(void*)(pages + page - older);
  CHECK(mprotect(pages + page, page, PROT_NONE) == 0);
  CHECK_STATUS(HEARTH_USAGE, hearth_model_options_init(options, older - 1, &error));
  CHECK_OK(hearth_model_options_init(options, older, &error));
  CHECK(options->struct_size == older);
  CHECK_OK(hearth_model_open(path_of("tiny"), options, &model, &error));
  hearth_model_close(model);
  CHECK(mprotect(pages + page, page, PROT_READ | PROT_WRITE) == 0);
  free(memory);
}

struct Heard {
  char text[4096];
  size_t length, calls, stop_after;
  hearth_session* session;
  hearth_status inner;
};

static int hear(const char* text, size_t length, hearth_token token, void* user) {
  struct Heard* heard = user;
  (void)token;
  CHECK(strlen(text) <= length && text[length] == 0);
  memcpy(heard->text + heard->length, text, length);
  heard->length += length;
  if (heard->session != NULL && heard->calls == 0)
    heard->inner = hearth_session_complete(heard->session, "x", 1, NULL, NULL, NULL, NULL, NULL);
  return ++heard->calls == heard->stop_after;
}

static void test_generation(void) {
  hearth_model* model = open_model("tiny");
  hearth_session* session = open_session(model);
  hearth_generation_options options = greedy(10);
  hearth_result* first = NULL;
  hearth_result* second = NULL;
  hearth_session_info info;
  struct Heard heard;
  memset(&heard, 0, sizeof heard);
  heard.session = session;
  CHECK_OK(hearth_session_complete(session, "the low", HEARTH_NUL_TERMINATED, &options, hear, &heard, &first, &error));
  CHECK(heard.inner == HEARTH_BUSY);
  CHECK(first->struct_size == sizeof *first && first->finish_reason == HEARTH_FINISH_LENGTH);
  CHECK(first->token_count == 10 && first->generated_tokens == 10 && first->stop_text == NULL);
  CHECK(heard.length == first->text_length && memcmp(heard.text, first->text, heard.length) == 0);
  CHECK(first->text[first->text_length] == 0 && first->prompt_seconds > 0);

  memset(&heard, 0, sizeof heard);
  heard.stop_after = 3;
  CHECK_OK(hearth_session_complete(session, "the low", 7, &options, hear, &heard, &second, &error));
  CHECK(second->finish_reason == HEARTH_FINISH_CANCELLED && second->token_count >= 3 && second->token_count < 10);
  CHECK(second->cached_tokens == second->prompt_tokens - 1);
  CHECK(memcmp(second->tokens, first->tokens, 3 * sizeof(hearth_token)) == 0);
  info.struct_size = sizeof info;
  CHECK_OK(hearth_session_get_info(session, &info, &error));
  CHECK(info.context_length == 64 && info.used_tokens >= second->prompt_tokens && info.busy == 0);
  hearth_result_free(first);
  hearth_result_free(second);

  CHECK_OK(hearth_session_complete(session, "the low", 7, &options, NULL, NULL, NULL, &error)); /* result may be NULL */
  CHECK_STATUS(HEARTH_BAD_INPUT, hearth_session_complete(session, "\xff\xfe", 2, &options, NULL, NULL, &first, &error));
  CHECK(first == NULL);
  options.top_p = 3;
  CHECK_STATUS(HEARTH_USAGE, hearth_session_complete(session, "x", 1, &options, NULL, NULL, &first, &error));
  hearth_session_close(session);
  hearth_model_close(model);
}

static void test_conversation(void) {
  hearth_model* model = open_model("tiny");
  hearth_session* session = open_session(model);
  hearth_generation_options options = greedy(4);
  char* before = NULL;
  char* after = NULL;
  CHECK_OK(hearth_session_set_system(session, "Be brief.", &error));
  CHECK_OK(hearth_session_messages(session, &before, &error));
  CHECK(strcmp(before, "[{\"role\":\"system\",\"content\":\"Be brief.\"}]") == 0);
  options.top_k = -1;
  CHECK_STATUS(HEARTH_USAGE, hearth_session_say(session, "low", 3, &options, NULL, NULL, NULL, &error));
  CHECK_OK(hearth_session_messages(session, &after, &error)); /* as it was before the error */
  CHECK(strcmp(before, after) == 0);
  hearth_free(after);
  hearth_free(before);
  options.top_k = 0;
  CHECK_OK(hearth_session_say(session, "low", 3, &options, NULL, NULL, NULL, &error));
  CHECK_OK(hearth_session_messages(session, &after, &error));
  CHECK(strstr(after, "\"role\":\"assistant\"") != NULL);
  hearth_free(after);
  CHECK_STATUS(HEARTH_BAD_INPUT, hearth_session_set_messages(session, "{}", &error));
  CHECK_STATUS(HEARTH_BAD_INPUT, hearth_session_set_messages(session, "[1]", &error));
  CHECK_STATUS(HEARTH_BAD_INPUT, hearth_session_set_messages(session, "[", &error));
  CHECK_OK(hearth_session_set_system(session, NULL, &error));
  CHECK_OK(hearth_session_reset(session, &error));
  CHECK_OK(hearth_session_messages(session, &after, &error));
  CHECK(strcmp(after, "[]") == 0);
  hearth_free(after);
  hearth_session_close(session);
  hearth_model_close(model);
}

static void test_deep_json_is_refused(void) {
  const size_t depth = 100000;
  char* text = NULL;
  char* deep = malloc(2 * depth + 1);
  memset(deep, '[', depth);
  memset(deep + depth, ']', depth);
  deep[2 * depth] = 0;
  CHECK_STATUS(HEARTH_BAD_INPUT, hearth_render_template("x", deep, &text, NULL, &error));
  free(deep);
}

static int stop_at_half(double fraction, void* user) {
  *(double*)user = fraction;
  return fraction >= 0.3;
}

static int without_renewal(double fraction, void* user) {
  (void)fraction;
  ++*(int*)user;
  return 0;
}

static int renewing(double fraction, void* user) {
  (void)fraction;
  hearth_cancellation_renew(user);
  return 0;
}

struct Progress {
  int calls;
  double reached;
};

static int stop_at_third(double fraction, void* user) {
  struct Progress* progress = user;
  progress->reached = fraction;
  return ++progress->calls == 3;
}

/* Of texts that make several batches before any progress is due. */
static void test_cancelled_between_batches(void) {
  const char* models[] = {"tiny-encoder", "tiny-embedder"};
  const char* texts[128];
  char text[241] = "";
  size_t i;
  for (i = 0; i < 60; ++i) strcat(text, "the ");
  for (i = 0; i < 128; ++i) texts[i] = text;
  for (i = 0; i < 2; ++i) {
    hearth_model* model = open_model(models[i]);
    struct Progress progress = {0, 1};
    hearth_embed_options options;
    hearth_embeddings* embeddings = NULL;
    CHECK_OK(hearth_embed_options_init(&options, sizeof options, &error));
    options.on_progress = stop_at_third;
    options.user = &progress;
    CHECK_STATUS(HEARTH_CANCELLED, hearth_embed(model, texts, NULL, 128, &options, &embeddings, &error));
    CHECK(embeddings == NULL && progress.calls == 3 && progress.reached == 0);
    CHECK_OK(hearth_embed(model, texts, NULL, 1, NULL, &embeddings, &error));
    hearth_embeddings_free(embeddings);
    hearth_model_close(model);
  }
}

static void test_cancelled_opening(void) {
  hearth_model_options options;
  hearth_model* model = NULL;
  hearth_cancellation* cancellation = NULL;
  double reached = 0;
  int calls = 0;
  CHECK_OK(hearth_model_options_init(&options, sizeof options, &error));
  options.on_progress = stop_at_half;
  options.user = &reached;
  CHECK_STATUS(HEARTH_CANCELLED, hearth_model_open(path_of("tiny"), &options, &model, &error));
  CHECK(model == NULL && reached >= 0.3 && reached < 1);
  options.on_progress = NULL;
  CHECK_OK(hearth_cancellation_new(&cancellation, &error));
  hearth_cancellation_renew(cancellation);
  options.on_progress = without_renewal;
  options.user = &calls;
  options.cancellation = cancellation;
  CHECK_STATUS(HEARTH_CANCELLED, hearth_model_open(path_of("tiny"), &options, &model, &error));
  CHECK(calls == 2); /* renewed before the call: the first callback's word holds, the second's does not */
  options.on_progress = renewing;
  options.user = cancellation;
  CHECK_OK(hearth_model_open(path_of("tiny"), &options, &model, &error));
  hearth_model_close(model);
  options.on_progress = NULL;
  hearth_cancel(cancellation);
  options.cancellation = cancellation;
  CHECK_STATUS(HEARTH_CANCELLED, hearth_model_open(path_of("tiny"), &options, &model, &error));
  hearth_cancellation_close(cancellation);
  CHECK_STATUS(HEARTH_CLOSED, hearth_model_open(path_of("tiny"), &options, &model, &error));
}

/* Threads: each its own session, while others are cancelled and closed under way. */

struct Worker {
  pthread_t thread;
  hearth_model* model;
  hearth_session* session;
  hearth_token tokens[20];
  size_t count;
  int32_t finish_reason;
  hearth_status status;
};

static void* work(void* argument) {
  struct Worker* worker = argument;
  hearth_generation_options options = greedy(20);
  hearth_result* result = NULL;
  worker->status = hearth_session_complete(worker->session, "the lower thing", HEARTH_NUL_TERMINATED, &options, NULL,
                                           NULL, &result, NULL);
  if (result != NULL) {
    worker->finish_reason = result->finish_reason;
    worker->count = result->token_count;
    if (result->token_count > 0) /* NULL where cancelling came first */
      memcpy(worker->tokens, result->tokens, result->token_count * sizeof(hearth_token));
  }
  hearth_result_free(result);
  return NULL;
}

static void test_threads(void) {
  enum { workers = 6 };
  hearth_model* model = open_model("tiny");
  struct Worker worker[workers];
  int i, whole = 0;
  memset(worker, 0, sizeof worker);
  for (i = 0; i < workers; ++i) {
    worker[i].model = model;
    worker[i].session = open_session(model);
    CHECK(pthread_create(&worker[i].thread, NULL, work, &worker[i]) == 0);
  }
  hearth_model_close(model); /* the sessions keep what they need */
  hearth_session_cancel(worker[4].session);
  hearth_session_close(worker[5].session);
  for (i = 0; i < workers; ++i) pthread_join(worker[i].thread, NULL);
  for (i = 0; i < 4; ++i) {
    CHECK(worker[i].status == HEARTH_OK && worker[i].count == 20);
    whole += memcmp(worker[i].tokens, worker[0].tokens, sizeof worker[0].tokens) == 0;
  }
  CHECK(whole == 4);
  CHECK(worker[4].status == HEARTH_OK); /* cancelled before, meanwhile or not at all: never a fault */
  CHECK(worker[5].status == HEARTH_OK || worker[5].status == HEARTH_CLOSED);
  for (i = 0; i < workers; ++i) hearth_session_close(worker[i].session);
}

static void* cancel_soon(void* session) {
  int i;
  for (i = 0; i < 2000; ++i) {
    hearth_session_info info;
    info.struct_size = sizeof info;
    if (hearth_session_get_info(session, &info, NULL) != HEARTH_OK) return NULL;
    if (info.busy) hearth_session_cancel(session);
  }
  hearth_session_close(session);
  return NULL;
}

static void test_cancelled_from_another_thread(void) {
  hearth_model* model = open_model("tiny");
  hearth_session* session = open_session(model);
  hearth_generation_options options = greedy(60);
  pthread_t thread;
  hearth_status status = HEARTH_OK;
  CHECK(pthread_create(&thread, NULL, cancel_soon, session) == 0);
  while (status == HEARTH_OK) status = hearth_session_complete(session, "x", 1, &options, NULL, NULL, NULL, NULL);
  CHECK(status == HEARTH_CLOSED);
  pthread_join(thread, NULL);
  hearth_model_close(model);
}

static void test_adapters(void) {
  hearth_model* model = open_model("tiny");
  hearth_model* other = open_model("tiny");
  hearth_session* session = open_session(model);
  hearth_session* elsewhere = open_session(other);
  hearth_adapter* adapter = NULL;
  hearth_generation_options options = greedy(8);
  hearth_result* plain = NULL;
  hearth_result* adapted = NULL;
  hearth_result* again = NULL;
  const float infinite = (float)(1e300 * 1e300);
  CHECK_OK(hearth_adapter_open(model, path_of("tiny-adapter"), &adapter, &error));
  CHECK_STATUS(HEARTH_USAGE, hearth_session_set_adapters(elsewhere, &adapter, NULL, 1, &error));
  CHECK_STATUS(HEARTH_USAGE, hearth_session_set_adapters(session, &adapter, &infinite, 1, &error));
  CHECK_OK(hearth_session_complete(session, "the low", 7, &options, NULL, NULL, &plain, &error));
  CHECK_OK(hearth_session_set_adapters(session, &adapter, NULL, 1, &error));
  hearth_adapter_close(adapter); /* the session goes on with it */
  CHECK_OK(hearth_session_complete(session, "the low", 7, &options, NULL, NULL, &adapted, &error));
  CHECK(adapted->cached_tokens == 0);
  CHECK(memcmp(plain->tokens, adapted->tokens, 8 * sizeof(hearth_token)) != 0);
  CHECK_STATUS(HEARTH_CLOSED, hearth_session_set_adapters(session, &adapter, NULL, 1, &error));
  CHECK_OK(hearth_session_set_adapters(session, NULL, NULL, 0, &error));
  CHECK_OK(hearth_session_complete(session, "the low", 7, &options, NULL, NULL, &again, &error));
  CHECK(memcmp(plain->tokens, again->tokens, 8 * sizeof(hearth_token)) == 0);
  hearth_result_free(plain);
  hearth_result_free(adapted);
  hearth_result_free(again);
  hearth_session_close(session);
  hearth_session_close(elsewhere);
  hearth_model_close(model);
  hearth_model_close(other);
}

/* Threads stay behind in a fork: what was open is refused there, and closing it or leaving the process waits for none.
 */
static void test_forked(void) {
  hearth_model* model = open_model("tiny");
  hearth_session* session = open_session(model);
  hearth_session* another = NULL;
  hearth_result* result = NULL;
  int ended = -1;
  const pid_t child = fork();
  if (child == 0) {
    CHECK_STATUS(HEARTH_USAGE, hearth_session_complete(session, "x", 1, NULL, NULL, NULL, &result, &error));
    CHECK_STATUS(HEARTH_USAGE, hearth_session_open(model, NULL, &another, &error));
    hearth_session_cancel(session);
    hearth_session_close(session);
    hearth_model_close(model);
    _exit(checks_failed != 0);
  }
  CHECK(waitpid(child, &ended, 0) == child && ended == 0);
  hearth_session_close(session);
  hearth_model_close(model);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  folder = argv[1];
  test_library();
  test_null_is_refused();
  test_handles_are_checked();
  test_struct_sizes();
  test_older_model_options();
  test_generation();
  test_conversation();
  test_deep_json_is_refused();
  test_cancelled_opening();
  test_cancelled_between_batches();
  test_threads();
  test_cancelled_from_another_thread();
  test_adapters();
  test_forked();
  if (checks_failed == 0) printf("capi: all checks hold\n");
  return checks_failed != 0;
}
