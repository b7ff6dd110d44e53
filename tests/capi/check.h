/* A few macros instead of a framework: the test of a C header needs nothing else. */
#ifndef HEARTH_TESTS_CHECK_H
#define HEARTH_TESTS_CHECK_H

#include <stdio.h>
#include <string.h>

static int checks_failed;

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) {                                                       \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      ++checks_failed;                                                        \
    }                                                                         \
  } while (0)

/* The call gives this status, an error exactly when it is not HEARTH_OK, of that status and one line. */
#define CHECK_STATUS(expected, call)                                                                              \
  do {                                                                                                            \
    hearth_error* error = NULL;                                                                                   \
    const hearth_status status = (call);                                                                          \
    const char* message = hearth_error_message(error);                                                            \
    if (status != (expected) || hearth_error_status(error) != status || (error == NULL) != (status == 0) ||       \
        (error != NULL && (message[0] == 0 || strchr(message, '\n') != NULL))) {                                  \
      fprintf(stderr, "%s:%d: %s gives %s (%s), not %s\n", __FILE__, __LINE__, #call, hearth_status_name(status), \
              message, hearth_status_name(expected));                                                             \
      ++checks_failed;                                                                                            \
    }                                                                                                             \
    hearth_error_free(error);                                                                                     \
  } while (0)

#define CHECK_OK(call) CHECK_STATUS(HEARTH_OK, call)

#endif
