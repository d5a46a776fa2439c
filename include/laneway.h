#ifndef LANEWAY_H
#define LANEWAY_H

/* Generated from ffi/src by ffi/generate.sh; do not edit. SPDX-License-Identifier: MIT OR Apache-2.0 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LANEWAY_VERSION_MAJOR 0
#define LANEWAY_VERSION_MINOR 1
#define LANEWAY_VERSION_PATCH 0

/* Put in front of every function; define it before including to add an attribute. */
#ifndef LANEWAY_API
#define LANEWAY_API
#endif

/* Marks functions that a newer one replaces; define it empty to silence the warnings. */
#ifndef LANEWAY_DEPRECATED
#if defined(__GNUC__) || defined(__clang__)
#define LANEWAY_DEPRECATED(note) __attribute__((deprecated(note)))
#else
#define LANEWAY_DEPRECATED(note)
#endif
#endif

/**
 * Wait without a limit.
 */
#define LANEWAY_NO_TIMEOUT 18446744073709551615ull

/**
 * Goes up by one whenever the soname changes; compare it with `laneway_abi_version()`.
 */
#define LANEWAY_ABI_VERSION 1

/**
 * The statuses the library gives; -1000 and below are the caller's own.
 */
enum laneway_code
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * Done.
   */
  LANEWAY_OK = 0,
  /**
   * From a body: its tokens decide; it deferred at least one.
   */
  LANEWAY_PENDING = 1,
  /**
   * Nothing more to come.
   */
  LANEWAY_END = 2,
  /**
   * An argument breaks the function's contract.
   */
  LANEWAY_EINVAL = -1,
  /**
   * A panic was contained. The message has its text.
   */
  LANEWAY_EPANIC = -2,
  /**
   * The time ran out.
   */
  LANEWAY_ETIMEDOUT = -3,
  /**
   * Cancelled by request.
   */
  LANEWAY_ECANCELED = -4,
  /**
   * A token was given up without an answer.
   */
  LANEWAY_EABANDONED = -5,
  /**
   * The pool, coordinator or service is shutting down.
   */
  LANEWAY_ESHUTDOWN = -6,
  /**
   * In use, or not ready; try again later.
   */
  LANEWAY_EBUSY = -7,
  /**
   * The call could only have waited for itself.
   */
  LANEWAY_EDEADLK = -8,
  /**
   * Called in the child of a fork.
   */
  LANEWAY_EFORKED = -9,
  /**
   * There is no such thing.
   */
  LANEWAY_ENOTFOUND = -10,
  /**
   * Somebody else changed it first; read again and retry.
   */
  LANEWAY_ECONFLICT = -11,
  /**
   * The system refused or failed an operation.
   */
  LANEWAY_EIO = -12,
  /**
   * Stored data is damaged.
   */
  LANEWAY_ECORRUPT = -13,
  /**
   * This build or version cannot do it.
   */
  LANEWAY_EUNSUPPORTED = -14,
  /**
   * No memory, threads or other resource.
   */
  LANEWAY_ENOMEM = -15,
  /**
   * It has been done or has ended already.
   */
  LANEWAY_EALREADY = -16,
  /**
   * The bound on waiting work is reached.
   */
  LANEWAY_EFULL = -17,
  /**
   * A key, name or payload is longer than allowed.
   */
  LANEWAY_ETOOLONG = -18,
  /**
   * The allocation is no longer the valid one; nothing was changed.
   */
  LANEWAY_EFENCED = -19,
  /**
   * The id is taken by something different.
   */
  LANEWAY_EEXISTS = -20,
  /**
   * The job before it in its lane failed, and the lane ends its followers.
   */
  LANEWAY_EPREDECESSOR = -21,
  /**
   * The first value of the caller's own range, which grows downwards.
   */
  LANEWAY_EUSER = -1000,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum laneway_code laneway_code;
#else
typedef int32_t laneway_code;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Why a call failed: a status and a text. Unique: freed once, by `laneway_error_free`.
 */
typedef struct laneway_error laneway_error;

/**
 * A status: 0 is success, above 0 another successful answer, below 0 a failure.
 *
 * Callers keep a `default:`: later versions add values of either sign.
 */
typedef int32_t laneway_status;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The status of `error`; `LANEWAY_OK` for NULL.
 *
 * Threads: any, also at the same time.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `error`.
 *
 * @pre `error` is NULL or not yet freed.
 */
LANEWAY_API laneway_status laneway_error_status(const struct laneway_error *error);

/**
 * The text of `error` in UTF-8, ended by NUL; `""` for NULL.
 *
 * @param[out] len  bytes before the NUL; may be NULL.
 *
 * Threads: any, also at the same time.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: borrows `error`; the text lives as long as it.
 *
 * @pre `error` is NULL or not yet freed; `len` is NULL or writable.
 */
LANEWAY_API const char *laneway_error_message(const struct laneway_error *error, size_t *len);

/**
 * Frees `error`; NULL is allowed.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: consumes `error`.
 *
 * @pre `error` is NULL or not yet freed, and nothing uses it any more.
 */
LANEWAY_API void laneway_error_free(struct laneway_error *error);

/**
 * The name of a status, for messages: `"LANEWAY_EINVAL"`; never NULL.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed.
 * Ownership: the text is static.
 */
LANEWAY_API const char *laneway_status_name(laneway_status status);

/**
 * The ABI of the library that was loaded; bindings refuse one that is not theirs.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed; also in a signal handler.
 * Ownership: none.
 */
LANEWAY_API uint32_t laneway_abi_version(void);

/**
 * The version of the library as `major * 1000000 + minor * 1000 + patch`.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed; also in a signal handler.
 * Ownership: none.
 */
LANEWAY_API uint32_t laneway_version_number(void);

/**
 * The version of the library as text: `"0.1.0"`; never NULL.
 *
 * Threads: any.
 * Blocks: no.
 * In callbacks: allowed; also in a signal handler.
 * Ownership: the text is static.
 */
LANEWAY_API const char *laneway_version_string(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LANEWAY_H */
