/* Versions, statuses, errors, and what NULL means. */
#include "check.h"

#include <string.h>

static void versions_agree_with_the_header(void) {
  char text[32];
  CHECK(laneway_abi_version() == LANEWAY_ABI_VERSION);
  CHECK(laneway_version_number() == LANEWAY_VERSION_MAJOR * 1000000u +
                                        LANEWAY_VERSION_MINOR * 1000u + LANEWAY_VERSION_PATCH);
  snprintf(text, sizeof text, "%d.%d.%d", LANEWAY_VERSION_MAJOR, LANEWAY_VERSION_MINOR,
           LANEWAY_VERSION_PATCH);
  CHECK(strcmp(laneway_version_string(), text) == 0);
}

static void every_status_has_a_name(void) {
  laneway_status status;
  for (status = LANEWAY_EPREDECESSOR; status <= LANEWAY_END; status++) {
    CHECK(strncmp(laneway_status_name(status), "LANEWAY_", 8) == 0);
  }
  CHECK(strcmp(laneway_status_name(LANEWAY_EUSER), "LANEWAY_EUSER") == 0);
  CHECK(strcmp(laneway_status_name(LANEWAY_EUSER - 5), "(user failure)") == 0);
  CHECK(strcmp(laneway_status_name(12345), "(unknown success)") == 0);
}

static void null_is_ignored_where_a_handle_ends(void) {
  size_t len = 7;
  laneway_error_free(NULL);
  laneway_pool_release(NULL);
  laneway_work_free(NULL);
  laneway_timer_free(NULL);
  CHECK(laneway_pool_retain(NULL) == NULL);
  CHECK(laneway_error_status(NULL) == LANEWAY_OK);
  CHECK(laneway_error_message(NULL, &len)[0] == '\0');
  CHECK(len == 0);
}

static void a_failure_explains_itself(void) {
  struct laneway_pool_options options;
  struct laneway_pool *pool = (struct laneway_pool *)&options; /* to see that it is cleared */
  struct laneway_error *error = NULL;
  size_t len = 0;
  laneway_pool_options_init(&options, sizeof options);
  options.workers = UINT32_MAX;
  CHECK_STATUS(laneway_pool_new(&options, &pool, &error), LANEWAY_EINVAL);
  CHECK(pool == NULL);
  CHECK(error != NULL);
  CHECK(laneway_error_status(error) == LANEWAY_EINVAL);
  CHECK(strstr(laneway_error_message(error, &len), "workers") != NULL);
  CHECK(strlen(laneway_error_message(error, NULL)) == len);
  laneway_error_free(error);
  CHECK_STATUS(laneway_pool_new(&options, NULL, NULL), LANEWAY_EINVAL);
}

static void structs_may_be_older_or_newer_than_the_library(void) {
  struct {
    struct laneway_pool_options known;
    uint64_t added;
  } newer;
  struct laneway_pool *pool = NULL;
  memset(&newer, 0xff, sizeof newer);
  laneway_pool_options_init(&newer.known, sizeof newer);
  CHECK(newer.added == 0);
  newer.known.workers = 1;
  CHECK_OK(laneway_pool_new(&newer.known, &pool, NULL));
  end_pool(pool);
  newer.added = 1; /* a wish that this library does not know */
  CHECK_STATUS(laneway_pool_new(&newer.known, &pool, NULL), LANEWAY_EINVAL);
  newer.added = 0;
  newer.known.struct_size = 4;
  CHECK_STATUS(laneway_pool_new(&newer.known, &pool, NULL), LANEWAY_EINVAL);
}

int main(void) {
  versions_agree_with_the_header();
  every_status_has_a_name();
  null_is_ignored_where_a_handle_ends();
  a_failure_explains_itself();
  structs_may_be_older_or_newer_than_the_library();
  return 0;
}
