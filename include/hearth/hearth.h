/* Open Hearth: language models on ordinary computers. The C interface, and the only header that leaves the house.
 *
 *   hearth_model* model = NULL;
 *   hearth_session* session = NULL;
 *   hearth_result* result = NULL;
 *   hearth_error* error = NULL;
 *   if (hearth_model_open("model.gguf", NULL, &model, &error) ||
 *       hearth_session_open(model, NULL, &session, &error) ||
 *       hearth_session_say(session, "Why is the sky blue?", HEARTH_NUL_TERMINATED, NULL, on_piece, NULL, &result,
 * &error)) fprintf(stderr, "%s\n", hearth_error_message(error)); hearth_result_free(result); hearth_error_free(error);
 *   hearth_session_close(session);
 *   hearth_model_close(model);
 *
 * What holds for every function:
 *
 * Errors. A function that can fail returns a hearth_status, HEARTH_OK (0) when it worked. `error`, always the last
 *   argument, may be NULL; otherwise *error is set to NULL, or to what went wrong: one sentence, for
 *   hearth_error_free. On failure every other output is NULL, 0 or untouched. No C++ exception leaves the library, and
 *   nothing is printed.
 * Misuse. Handles (hearth_model, hearth_session, hearth_adapter, hearth_cancellation) are checked at every call: NULL,
 *   a handle of another kind or something that is no handle gives HEARTH_USAGE, one that was closed gives
 *   HEARTH_CLOSED. A handle is a number in a pointer's type: never dereference it.
 * Threads. Every function may be called from any thread. A model may be used from several at once. A session does one
 *   thing at a time: a call to one that is busy gives HEARTH_BUSY at once (hearth_session_cancel, hearth_session_close
 *   and hearth_session_get_info are always welcome). Callbacks run on the thread that made the call, while it is made;
 *   they may call the library, must not throw or jump out, and what they are given is theirs until they return.
 * Closing. A close function returns at once and is harmless for NULL and for what is closed. A call that still uses the
 *   handle in another thread ends safely. Sessions and adapters keep what they need of their model, which leaves memory
 *   with the last of them.
 * Fork. Handles stay with the process that opened them: in one forked from it they give HEARTH_USAGE. It may open its
 * own. Text. UTF-8. Where a `length` (in bytes) follows, HEARTH_NUL_TERMINATED may be given; other texts, paths and
 * JSON are NUL-terminated. Text that the library returns is valid UTF-8 unless its function says otherwise, ends with a
 *   NUL that its length does not count, and belongs to the caller: hearth_free.
 * Structs. The caller sets struct_size to the sizeof its own struct; later versions of the library add fields at the
 *   end and know by it which ones the caller has. The _init functions set it, and every default. A size that this
 *   library cannot know gives HEARTH_USAGE. NULL in place of options means the defaults.
 * Versions. Semantic: within a major version (while it is 0: a minor version) what is here stays.
 */
#ifndef HEARTH_HEARTH_H
#define HEARTH_HEARTH_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && defined(HEARTH_BUILDING)
#define HEARTH_API __declspec(dllexport)
#elif defined(_WIN32) && !defined(HEARTH_STATIC)
#define HEARTH_API __declspec(dllimport)
#elif defined(__GNUC__)
#define HEARTH_API __attribute__((visibility("default")))
#else
#define HEARTH_API
#endif

#define HEARTH_VERSION_MAJOR 0
#define HEARTH_VERSION_MINOR 1
#define HEARTH_VERSION_PATCH 0

#define HEARTH_NUL_TERMINATED ((size_t)-1)
#define HEARTH_NO_TOKEN ((hearth_token)-1)

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hearth_model hearth_model;               /* a model file, opened; immutable */
typedef struct hearth_session hearth_session;           /* one conversation or text, and what was computed of it */
typedef struct hearth_adapter hearth_adapter;           /* a LoRA adapter, opened for one model */
typedef struct hearth_cancellation hearth_cancellation; /* a request to stop, that calls can be given beforehand */
typedef struct hearth_error hearth_error;               /* what went wrong */
typedef int32_t hearth_token;                           /* an index into a model's vocabulary */

/* ---------------------------------------------------------------------------------------------------- errors -- */

typedef enum hearth_status {
  HEARTH_OK = 0,
  HEARTH_USAGE = 1,       /* the call makes no sense: an argument, an option's value, a handle */
  HEARTH_BAD_INPUT = 2,   /* a file, text or JSON from outside is at fault */
  HEARTH_NOT_FOUND = 3,   /* a file or key is not there */
  HEARTH_UNSUPPORTED = 4, /* understood, and not something the library or this model can do */
  HEARTH_TOO_LONG = 5,    /* does not fit: a prompt longer than its context */
  HEARTH_OUT_OF_MEMORY = 6,
  HEARTH_IO = 7,        /* the system refused a read or a write */
  HEARTH_CANCELLED = 8, /* a callback or hearth_cancel asked to stop, and there is no result */
  HEARTH_INTERNAL = 9,  /* a fault of the library: please report it */
  HEARTH_BUSY = 10,     /* the session is in use by another call */
  HEARTH_CLOSED = 11    /* the handle was closed */
} hearth_status;

/* "ok", "usage", "bad_input" and so on; "unknown" for other numbers. Static text. */
HEARTH_API const char* hearth_status_name(hearth_status status);

/* HEARTH_OK for NULL. */
HEARTH_API hearth_status hearth_error_status(const hearth_error* error);

/* One line: what, where, what to do. Valid until the error is freed; "" for NULL. */
HEARTH_API const char* hearth_error_message(const hearth_error* error);

/* Harmless for NULL. */
HEARTH_API void hearth_error_free(hearth_error* error);

/* Gives back text, tokens and numbers that the library returned by pointer. Harmless for NULL. */
HEARTH_API void hearth_free(void* memory);

/* ------------------------------------------------------------------------------------------------ the library -- */

/* "0.1.0": of the library, which may be newer than this header. Static text. */
HEARTH_API const char* hearth_version(void);

/* How it was built, as JSON: {"version", "compiler", "build_type", "system", "processor", "cpu_levels"}. Static text;
 * cpu_levels are those of this machine, best first. */
HEARTH_API const char* hearth_build_info(void);

/* The instruction sets this machine can run ("avx2" and so on), best first. Static text; NULL from the
 * count on. */
HEARTH_API size_t hearth_cpu_level_count(void);
HEARTH_API const char* hearth_cpu_level_name(size_t index);

/* The one in use: the best, unless the environment variable HEARTH_CPU names another. Static text in *name.
 * HEARTH_USAGE where HEARTH_CPU names one that this machine cannot run. */
HEARTH_API hearth_status hearth_cpu_level_active(const char** name, hearth_error** error);

/* ----------------------------------------------------------------------------------------------- cancellation -- */

/* Told how far a long call is, from 0 to 1, never less than before. Return 0 to go on, anything else to stop: the call
 * then gives HEARTH_CANCELLED. */
typedef int (*hearth_on_progress)(double fraction, void* user);

/* A cancellation may be given to any number of calls, one after the other or at once. */
HEARTH_API hearth_status hearth_cancellation_new(hearth_cancellation** cancellation, hearth_error** error);

/* Stops the calls that were given it, now and later, from whatever thread. Harmless for what is closed. */
HEARTH_API void hearth_cancel(hearth_cancellation* cancellation);

/* For callers whose callbacks can fall silent and then return anything, as those of an ended worker of Node do. From
 * the first renewal on, a call that is given it goes on after a callback only if it has been renewed since the callback
 * before, whatever the callback returned; it serves one call at a time then. Harmless for what is closed. */
HEARTH_API void hearth_cancellation_renew(hearth_cancellation* cancellation);

/* Calls that were given it go on. */
HEARTH_API void hearth_cancellation_close(hearth_cancellation* cancellation);

/* ----------------------------------------------------------------------------------------------------- models -- */

/* hearth_model_options.cache_type: how a session keeps what it has read */
enum {
  HEARTH_CACHE_F16 = 0,
  HEARTH_CACHE_F32 = 1,
  HEARTH_CACHE_Q8_0 = 2, /* about half of f16 */
  HEARTH_CACHE_Q4_0 = 3  /* about a quarter, less exact */
};

typedef struct hearth_model_options {
  size_t struct_size;
  hearth_on_progress on_progress;    /* may be NULL */
  void* user;                        /* for on_progress */
  hearth_cancellation* cancellation; /* may be NULL */
  uint32_t threads;                  /* 0: one a physical core; at most 1024 */
  uint32_t context_length;           /* tokens that a session holds unless it says otherwise; 0: what the model was
                                        trained for */
  uint32_t batch_tokens; /* prompt tokens that are computed at a time, 1 to 65536: more is faster and takes more
                            memory, fewer lets a cancellation act sooner. Default 512 */
  int32_t cache_type;    /* HEARTH_CACHE_... Default HEARTH_CACHE_F16 */
  int32_t preload;       /* not 0: read the file while opening, so that the first prompt does not wait for the
                            disk. Default 1 */
  int32_t shift; /* not 0: a full context goes on, half of its oldest tokens (and a conversation's oldest turns) are
                    forgotten; 0: an answer ends there, a prompt that is too long is refused. Default 0 */
  int32_t all_logits; /* not 0: logits that cannot be drawn are computed as exactly as those that can, which is slower
                         where the vocabulary is large; 0: they may be estimated. Default 0 */
  int32_t reserved;   /* 0 */
} hearth_model_options;

/* struct_size: the sizeof of the caller's struct, as everywhere in _init functions. */
HEARTH_API hearth_status hearth_model_options_init(hearth_model_options* options, size_t struct_size,
                                                   hearth_error** error);

/* Opens a GGUF file (the first part of a split one). The file is mapped, not copied: it must not change while the model
 * is open. Checks all of it but the weights' values. HEARTH_NOT_FOUND, HEARTH_BAD_INPUT and HEARTH_UNSUPPORTED name the
 * file and the fault; HEARTH_CANCELLED where the callback or the cancellation asked. */
HEARTH_API hearth_status hearth_model_open(const char* path, const hearth_model_options* options, hearth_model** model,
                                           hearth_error** error);

HEARTH_API void hearth_model_close(hearth_model* model);

typedef struct hearth_model_info {
  size_t struct_size;
  uint64_t parameter_count;  /* weights */
  uint64_t file_bytes;       /* of all parts */
  uint32_t context_length;   /* tokens a session holds unless it says otherwise */
  uint32_t trained_context;  /* tokens the model was trained for */
  uint32_t vocabulary_size;  /* tokens */
  uint32_t embedding_length; /* numbers in the vector of a token, or of a text */
  uint32_t layer_count;
  uint32_t threads;
  hearth_token bos_token;    /* begins a text; HEARTH_NO_TOKEN where there is none */
  hearth_token eos_token;    /* ends it */
  int32_t is_encoder;        /* 1: gives embeddings, and no text; decoders may give both */
  int32_t has_tokenizer;     /* 0: takes and gives tokens only */
  int32_t has_chat_template; /* 0: hearth_session_chat and _say do not work */
  int32_t reserved;
} hearth_model_info;

/* Fills the fields that info->struct_size covers. The caller sets struct_size. */
HEARTH_API hearth_status hearth_model_get_info(hearth_model* model, hearth_model_info* info, hearth_error** error);

/* Metadata of the file: keys such as "general.name", in the file's order. */
HEARTH_API hearth_status hearth_model_metadata_count(hearth_model* model, size_t* count, hearth_error** error);

/* The key at `index` (HEARTH_NOT_FOUND from the count on). */
HEARTH_API hearth_status hearth_model_metadata_key(hearth_model* model, size_t index, char** key, hearth_error** error);

/* The value of `key` as JSON: a number, true or false, a quoted string, an array. HEARTH_NOT_FOUND names the key.
 * Numbers that are not finite are null. */
HEARTH_API hearth_status hearth_model_metadata_get(hearth_model* model, const char* key, char** json,
                                                   hearth_error** error);

/* All metadata as one JSON object. Arrays of more than `most_elements` become {"length": N, "first": [...]};
 * 0: all elements (a vocabulary has hundreds of thousands). */
HEARTH_API hearth_status hearth_model_metadata_json(hearth_model* model, size_t most_elements, char** json,
                                                    hearth_error** error);

/* --------------------------------------------------------------------------------------------------- tokens -- */

/* flags of hearth_tokenize and hearth_count_tokens */
enum {
  HEARTH_ADD_SPECIAL = 1,  /* BOS, EOS and their like, where the model's file asks for them */
  HEARTH_PARSE_SPECIAL = 2 /* "<|im_end|>" in the text is that token, not its letters */
};

/* Text to tokens, any bytes. *tokens: `count` of them, for hearth_free; of an empty result NULL. HEARTH_UNSUPPORTED
 * where the file has no tokenizer. */
HEARTH_API hearth_status hearth_tokenize(hearth_model* model, const char* text, size_t length, uint32_t flags,
                                         hearth_token** tokens, size_t* count, hearth_error** error);

/* How many they are. */
HEARTH_API hearth_status hearth_count_tokens(hearth_model* model, const char* text, size_t length, uint32_t flags,
                                             size_t* count, hearth_error** error);

/* Tokens to text; control tokens such as BOS are left out unless `special`. Bytes that are no UTF-8 become U+FFFD.
 * HEARTH_USAGE for a token outside the vocabulary. `length` may be NULL. */
HEARTH_API hearth_status hearth_detokenize(hearth_model* model, const hearth_token* tokens, size_t count,
                                           int32_t special, char** text, size_t* length, hearth_error** error);

/* The bytes that one token stands for, control tokens as they are written. May be part of a UTF-8 character. */
HEARTH_API hearth_status hearth_token_bytes(hearth_model* model, hearth_token token, char** bytes, size_t* length,
                                            hearth_error** error);

/* -------------------------------------------------------------------------------------------- chat templates -- */

/* The text that the model's own template makes of a conversation.
 *   messages   JSON: [{"role": "user", "content": "..."}, ...], with whatever else the template reads (tool_calls,
 *              ...); content may be in parts, [{"type": "text", "text": "..."}, ...]
 *   tools      JSON: an array of tool definitions in OpenAI's form; NULL: none
 *   variables  JSON: an object whose members the template sees by name ("add_generation_prompt", which is true unless
 *              given; "enable_thinking", "documents", ...); NULL: none
 * HEARTH_UNSUPPORTED where the file has no template, HEARTH_BAD_INPUT where the template refuses or JSON is none.
 * `length` may be NULL. */
HEARTH_API hearth_status hearth_render_chat(hearth_model* model, const char* messages, const char* tools,
                                            const char* variables, char** text, size_t* length, hearth_error** error);

/* Any Jinja chat template, without a model. `context` is a JSON object with all that it sees: messages,
 * add_generation_prompt, bos_token, eos_token, tools, ... */
HEARTH_API hearth_status hearth_render_template(const char* source, const char* context, char** text, size_t* length,
                                                hearth_error** error);

/* --------------------------------------------------------------------------------------------------- sessions -- */

typedef struct hearth_session_options {
  size_t struct_size;
  uint32_t context_length; /* tokens it holds, prompts and answers; 0: the model's. Memory is taken as it fills */
  int32_t reserved;        /* 0 */
} hearth_session_options;

HEARTH_API hearth_status hearth_session_options_init(hearth_session_options* options, size_t struct_size,
                                                     hearth_error** error);

/* Any number of sessions may be open and generate at once; they share the model and its threads, and each token read
 * from the weights serves all of them. HEARTH_UNSUPPORTED for an encoder. */
HEARTH_API hearth_status hearth_session_open(hearth_model* model, const hearth_session_options* options,
                                             hearth_session** session, hearth_error** error);

/* A generation that runs in it is cancelled. */
HEARTH_API void hearth_session_close(hearth_session* session);

typedef struct hearth_session_info {
  size_t struct_size;
  uint32_t context_length; /* tokens it can hold */
  uint32_t used_tokens;    /* tokens it holds; while it is busy, those before */
  int32_t busy;            /* 1: a call is using it */
  int32_t reserved;
} hearth_session_info;

/* Fills the fields that info->struct_size covers. */
HEARTH_API hearth_status hearth_session_get_info(hearth_session* session, hearth_session_info* info,
                                                 hearth_error** error);

typedef struct hearth_logit_bias {
  hearth_token token;
  float bias; /* added to the token's logit; -infinity bans it */
} hearth_logit_bias;

/* Sampling. Every filter has a neutral value, which switches it off; they act in the order: logit bias, penalties,
 * grammar or schema, top_k, typical_p, top_p, min_p, temperature. HEARTH_USAGE names the option whose value makes no
 * sense. */
typedef struct hearth_generation_options {
  size_t struct_size;
  uint64_t seed;           /* 0: from the system. The same seed draws the same answer again. Default 0 */
  const char* const* stop; /* texts that end the answer and do not belong to it */
  size_t stop_count;       /* Default 0 */
  const hearth_logit_bias* logit_bias;
  size_t logit_bias_count;           /* Default 0 */
  const char* grammar;               /* GBNF that the answer follows; NULL: none */
  const char* json_schema;           /* JSON Schema: the answer is JSON of it; NULL: none. Not both */
  const char* tools;                 /* for hearth_session_chat and _say: see hearth_render_chat. NULL: none */
  const char* template_variables;    /* likewise */
  hearth_cancellation* cancellation; /* may be NULL */
  uint32_t max_tokens;               /* 0: until the answer ends or the context is full. Default 0 */
  int32_t top_k;                     /* draw from the so many likeliest; 0: all. Default 40 */
  float temperature;                 /* 0: always the likeliest token. Default 0.8 */
  float top_p;                       /* from the likeliest that make up so much; 1: all. Default 0.95 */
  float min_p;                       /* drop what is less likely than this times the likeliest; 0: none. Default 0.05 */
  float typical_p;                   /* 1: off. Default 1 */
  float repeat_penalty;              /* 1: off. Default 1 */
  float frequency_penalty;           /* 0: off. Default 0 */
  float presence_penalty;            /* 0: off. Default 0 */
  int32_t penalty_window;            /* last tokens that penalties look at; -1: all. Default 64 */
  int32_t parse_special;             /* for hearth_session_complete: as HEARTH_PARSE_SPECIAL. Default 0 */
  int32_t special_text;              /* control tokens appear in the text. Default 0 */
  int32_t ignore_end;                /* go on past the end of the answer, to max_tokens. Default 0 */
  int32_t reserved;                  /* 0 */
} hearth_generation_options;

HEARTH_API hearth_status hearth_generation_options_init(hearth_generation_options* options, size_t struct_size,
                                                        hearth_error** error);

/* A piece of the answer: `length` bytes of whole UTF-8 characters (a NUL follows) that can no longer be part of a stop
 * text, and the token they came with. The text may be empty: a character, or what may become a stop text, is not whole
 * yet. A last piece may have HEARTH_NO_TOKEN. Return 0 to go on, anything else to stop here. */
typedef int (*hearth_on_piece)(const char* text, size_t length, hearth_token token, void* user);

/* hearth_result.finish_reason */
enum {
  HEARTH_FINISH_STOP = 0,     /* the model ended its answer, a stop text was met, or the grammar is complete */
  HEARTH_FINISH_LENGTH = 1,   /* max_tokens, or the context is full */
  HEARTH_FINISH_CANCELLED = 2 /* the callback, hearth_session_cancel, hearth_cancel or hearth_session_close said so */
};

/* Made by the library, all of it for hearth_result_free. Later versions add fields at the end. */
typedef struct hearth_result {
  size_t struct_size;
  const char* text; /* valid UTF-8, NUL-terminated */
  size_t text_length;
  const hearth_token* tokens; /* without the one that ended the answer; NULL: none */
  size_t token_count;
  const char* stop_text; /* the one of options.stop that was met; NULL: none */
  uint64_t seed;         /* draws the same answer again */
  size_t prompt_tokens;
  size_t cached_tokens; /* of prompt_tokens: the session held them already */
  size_t generated_tokens;
  double prompt_seconds;     /* until the first token was drawn */
  double generation_seconds; /* from then to the end */
  int32_t finish_reason;     /* HEARTH_FINISH_... */
  int32_t reserved;
} hearth_result;

/* Harmless for NULL. */
HEARTH_API void hearth_result_free(hearth_result* result);

/* The four ways to an answer. All share what follows.
 *   options   may be NULL: the defaults
 *   on_piece  may be NULL; `user` is handed to it
 *   result    may be NULL; a generation that was cancelled has a result too, and the status HEARTH_OK
 * What the session holds of the prompt already, from the start, is not computed again. HEARTH_TOO_LONG gives the
 * numbers where the prompt does not leave room for an answer. After an error the session is as usable as before. */

/* Continues a text: raw, no template. Special tokens are put before it where the model's file asks for them. */
HEARTH_API hearth_status hearth_session_complete(hearth_session* session, const char* text, size_t length,
                                                 const hearth_generation_options* options, hearth_on_piece on_piece,
                                                 void* user, hearth_result** result, hearth_error** error);

/* Continues tokens: the prompt is exactly these, at least one. Works without a tokenizer; the text is empty then. */
HEARTH_API hearth_status hearth_session_complete_tokens(hearth_session* session, const hearth_token* tokens,
                                                        size_t count, const hearth_generation_options* options,
                                                        hearth_on_piece on_piece, void* user, hearth_result** result,
                                                        hearth_error** error);

/* Answers a whole conversation, rendered by the model's template: `messages` as in hearth_render_chat. The session's
 * own conversation (hearth_session_say) is left alone. */
HEARTH_API hearth_status hearth_session_chat(hearth_session* session, const char* messages,
                                             const hearth_generation_options* options, hearth_on_piece on_piece,
                                             void* user, hearth_result** result, hearth_error** error);

/* Adds a user's message to the session's conversation, answers it and adds the answer (or what there is of it when it
 * is cut short). After an error the conversation is as it was. */
HEARTH_API hearth_status hearth_session_say(hearth_session* session, const char* text, size_t length,
                                            const hearth_generation_options* options, hearth_on_piece on_piece,
                                            void* user, hearth_result** result, hearth_error** error);

/* Ends the generation that runs in the session, if one does, with HEARTH_FINISH_CANCELLED; from whatever thread, the
 * callback's too. A prompt stops after the batch in work. What has not begun is not affected: use a
 * hearth_cancellation where that matters. Harmless for what is closed. */
HEARTH_API void hearth_session_cancel(hearth_session* session);

/* The session's conversation begins with this system message; NULL or "": with none. */
HEARTH_API hearth_status hearth_session_set_system(hearth_session* session, const char* text, hearth_error** error);

/* The session's conversation as JSON, the system message first where there is one. */
HEARTH_API hearth_status hearth_session_messages(hearth_session* session, char** json, hearth_error** error);

/* Replaces the conversation, system message and all: a JSON array as hearth_session_messages gives it, or with
 * whatever else the template reads (to add the result of a tool, say). HEARTH_BAD_INPUT where it is none. */
HEARTH_API hearth_status hearth_session_set_messages(hearth_session* session, const char* messages,
                                                     hearth_error** error);

/* Forgets the conversation (its system message stays) and all that was computed. */
HEARTH_API hearth_status hearth_session_reset(hearth_session* session, hearth_error** error);

/* --------------------------------------------------------------------------------------------------- adapters -- */

/* Opens a LoRA adapter in GGUF for `model`. HEARTH_BAD_INPUT where it is none or for another model. */
HEARTH_API hearth_status hearth_adapter_open(hearth_model* model, const char* path, hearth_adapter** adapter,
                                             hearth_error** error);

/* Sessions that use it go on. */
HEARTH_API void hearth_adapter_close(hearth_adapter* adapter);

/* What the session computes from now on is with these adapters, each with its scale (`scales` NULL: 1 each; a scale of
 * 0 is as if it were not there); count 0: with none. What was computed so far is forgotten; the conversation stays.
 * Adapters must be of the session's model: HEARTH_USAGE. */
HEARTH_API hearth_status hearth_session_set_adapters(hearth_session* session, hearth_adapter* const* adapters,
                                                     const float* scales, size_t count, hearth_error** error);

/* ------------------------------------------------------------------------------------------------- embeddings -- */

/* hearth_embed_options.long_text: what becomes of a text that is longer than the model reads at once */
enum {
  HEARTH_LONG_TEXT_REFUSE = 0,   /* HEARTH_TOO_LONG, with the numbers */
  HEARTH_LONG_TEXT_TRUNCATE = 1, /* its beginning counts */
  HEARTH_LONG_TEXT_MEAN = 2      /* its pieces are embedded one by one, the mean of their vectors is taken */
};

typedef struct hearth_embed_options {
  size_t struct_size;
  const char* prefix;                /* put before each text, as it stands; NULL: nothing */
  hearth_on_progress on_progress;    /* may be NULL */
  void* user;                        /* for on_progress */
  hearth_cancellation* cancellation; /* may be NULL */
  uint32_t dimensions;               /* keep the first so many numbers, for models made for it; 0: all. Default 0 */
  int32_t long_text;                 /* HEARTH_LONG_TEXT_... Default HEARTH_LONG_TEXT_REFUSE */
  int32_t normalise;                 /* not 0: to length 1. Default 1 */
  int32_t reserved;                  /* 0 */
} hearth_embed_options;

HEARTH_API hearth_status hearth_embed_options_init(hearth_embed_options* options, size_t struct_size,
                                                   hearth_error** error);

/* Made by the library, all of it for hearth_embeddings_free. */
typedef struct hearth_embeddings {
  size_t struct_size;
  const float* values;  /* [count, width], row by row */
  size_t count;         /* texts */
  size_t width;         /* numbers a text */
  size_t prompt_tokens; /* of all texts, as they were tokenised */
} hearth_embeddings;

/* Harmless for NULL. */
HEARTH_API void hearth_embeddings_free(hearth_embeddings* embeddings);

/* One vector a text, in their order; texts share batches. `lengths` may be NULL: all are NUL-terminated.
 * HEARTH_UNSUPPORTED where the model is no encoder and its file does not say how to pool. */
HEARTH_API hearth_status hearth_embed(hearth_model* model, const char* const* texts, const size_t* lengths,
                                      size_t count, const hearth_embed_options* options, hearth_embeddings** embeddings,
                                      hearth_error** error);

/* -------------------------------------------------------------------------------------------- log-likelihoods -- */

typedef struct hearth_score_options {
  size_t struct_size;
  hearth_on_progress on_progress;    /* may be NULL */
  void* user;                        /* for on_progress */
  hearth_cancellation* cancellation; /* may be NULL */
} hearth_score_options;

HEARTH_API hearth_status hearth_score_options_init(hearth_score_options* options, size_t struct_size,
                                                   hearth_error** error);

/* Has no struct_size, for it stands in the caller's array: it never changes. */
typedef struct hearth_likelihood {
  double log_likelihood; /* natural logarithm, summed over the tokens of the continuation */
  uint32_t token_count;  /* how many these are */
  int32_t greedy;        /* 1: each was the likeliest, given what stands before it */
} hearth_likelihood;

/* How likely the model finds each of `count` continuations of `context`. Both are tokenised together, as they are
 * written; the tokens after those that `context` alone makes are scored. What they share is computed once.
 * `likelihoods` has room for `count`. HEARTH_USAGE for a continuation that adds no token (an empty one, or one that the
 * tokenizer joins to the context's last word), HEARTH_UNSUPPORTED for an encoder. An empty context works where the
 * model begins texts with BOS. */
HEARTH_API hearth_status hearth_score(hearth_model* model, const char* context, const char* const* continuations,
                                      size_t count, const hearth_score_options* options, hearth_likelihood* likelihoods,
                                      hearth_error** error);

/* The same for tokens: log P(tokens[from], ..., tokens[count - 1] | tokens[0], ..., tokens[from - 1]), from >= 1. */
HEARTH_API hearth_status hearth_score_tokens(hearth_model* model, const hearth_token* tokens, size_t count, size_t from,
                                             const hearth_score_options* options, hearth_likelihood* likelihood,
                                             hearth_error** error);

#ifdef __cplusplus
}
#endif

#endif /* HEARTH_HEARTH_H */
