/*
 * laneway in C++17: owners for the handles of laneway.h, lambdas for its callbacks.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Header only. Everything a call can fail with is in what it returns: a `status`, or a `result<T>`
 * whose `value()` throws a `laneway::failure` where there is none. Without exceptions (the header
 * also compiles with -fno-exceptions) `value()` and `check()` abort; ask `ok()` first.
 *
 * An exception that leaves a callable never reaches the library: in a job's body, an undo, or what a
 * scope or `spawn` runs it is a failure with LANEWAY_EUSER and its text; `join` gives it to the
 * caller.
 *
 * Not here: what laneway.h already says. Threads, blocking and ownership are as documented there.
 */
#ifndef LANEWAY_HPP
#define LANEWAY_HPP

#include "laneway.h"

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#if defined(__cpp_exceptions)
#include <exception>
#include <stdexcept>
#endif

namespace laneway {

/* No limit, for the waits below. */
inline constexpr std::chrono::nanoseconds forever = std::chrono::nanoseconds::max();

#if defined(__cpp_exceptions)
/* What `value()` and `check()` throw. */
class failure : public std::runtime_error {
public:
  failure(laneway_status status, const std::string &text)
      : std::runtime_error(text), status_(status) {}
  laneway_status status() const noexcept { return status_; }

private:
  laneway_status status_;
};
#endif

namespace detail {

[[noreturn]] inline void raise(laneway_status status, const std::string &text) {
#if defined(__cpp_exceptions)
  throw failure(status, text);
#else
  static_cast<void>(status);
  static_cast<void>(text);
  std::abort();
#endif
}

inline std::uint64_t nanoseconds(std::chrono::nanoseconds time) noexcept {
  if (time == forever) {
    return LANEWAY_NO_TIMEOUT;
  }
  return time.count() > 0 ? static_cast<std::uint64_t>(time.count()) : 0;
}

/* Calls `callable`, which returns a status or nothing; nothing is success. */
template <class Callable, class... Arguments>
laneway_status answer(Callable &callable, Arguments &...arguments) {
  using returned = std::invoke_result_t<Callable &, Arguments &...>;
  if constexpr (std::is_void_v<returned>) {
    callable(arguments...);
    return LANEWAY_OK;
  } else {
    static_assert(std::is_convertible_v<returned, laneway_status> &&
                      !std::is_same_v<returned, bool>,
                  "a callable returns a laneway_status or nothing");
    return callable(arguments...);
  }
}

/* Runs `call`; what it throws goes to `caught` as a text. */
template <class Call, class Caught>
laneway_status contained(Call call, [[maybe_unused]] Caught caught) noexcept {
#if defined(__cpp_exceptions)
  try {
    return call();
  } catch (const std::exception &thrown) {
    return caught(thrown.what());
  } catch (...) {
    return caught("an exception of unknown type");
  }
#else
  return call();
#endif
}

/* Without a text to give, the status is all there is. */
inline laneway_status as_user_failure(const char *) noexcept { return LANEWAY_EUSER; }

template <class Boxed> void drop(void *user_data) noexcept {
  delete static_cast<Boxed *>(user_data);
}

/* A counted handle: copies share it. */
template <class Raw, Raw *(*Retain)(Raw *), void (*Release)(Raw *)> class counted {
public:
  counted() noexcept = default;
  explicit counted(Raw *owned) noexcept : raw_(owned) {}
  counted(const counted &other) noexcept : raw_(Retain(other.raw_)) {}
  counted(counted &&other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}
  counted &operator=(counted other) noexcept {
    std::swap(raw_, other.raw_);
    return *this;
  }
  ~counted() { Release(raw_); }
  /* For calls of laneway.h that have no wrapper; still owned by this object. */
  Raw *raw() const noexcept { return raw_; }

private:
  Raw *raw_ = nullptr;
};

} // namespace detail

/* The answer of a call that gives nothing else. */
class [[nodiscard]] status {
public:
  status(laneway_status code) noexcept : code_(code) {}
  bool ok() const noexcept { return code_ >= 0; }
  laneway_status code() const noexcept { return code_; }
  const char *name() const noexcept { return laneway_status_name(code_); }
  void check() const {
    if (!ok()) {
      detail::raise(code_, name());
    }
  }

private:
  laneway_status code_;
};

/* Why something failed: a status and its text. Empty if nothing did. */
class error {
public:
  error() noexcept = default;
  explicit error(laneway_error *owned) noexcept : raw_(owned) {}
  explicit operator bool() const noexcept { return raw_ != nullptr; }
  laneway_status code() const noexcept { return laneway_error_status(raw_.get()); }
  std::string_view message() const noexcept {
    std::size_t length = 0;
    const char *text = laneway_error_message(raw_.get(), &length);
    return {text, length};
  }

private:
  struct deleter {
    void operator()(laneway_error *owned) const noexcept { laneway_error_free(owned); }
  };
  std::unique_ptr<laneway_error, deleter> raw_;
};

/* A value, or why there is none. */
template <class T> class [[nodiscard]] result {
public:
  result(T value) : code_(LANEWAY_OK), value_(std::move(value)) {}
  result(laneway_status code, error why) noexcept : code_(code), why_(std::move(why)) {}
  bool ok() const noexcept { return value_.has_value(); }
  laneway_status code() const noexcept { return code_; }
  const error &why() const noexcept { return why_; }
  T value() && {
    if (!value_) {
      detail::raise(code_, why_ ? std::string(why_.message()) : laneway_status_name(code_));
    }
    return std::move(*value_);
  }

private:
  laneway_status code_;
  std::optional<T> value_;
  error why_;
};

/* Where work can be spawned that ends before the scope does. */
class scope {
public:
  explicit scope(laneway_scope *borrowed) noexcept : raw_(borrowed) {}

  /* Runs `work()` or `work(scope &)`, perhaps on another thread. */
  template <class Work> status spawn(Work work) {
    return laneway_scope_spawn(raw_, run<Work>, new Work(std::move(work)), detail::drop<Work>);
  }

  template <class Work> static laneway_status run(void *user_data, laneway_scope *raw) noexcept {
    scope open(raw);
    Work &work = *static_cast<Work *>(user_data);
    return detail::contained(
        [&] {
          if constexpr (std::is_invocable_v<Work &, scope &>) {
            return detail::answer(work, open);
          } else {
            return detail::answer(work);
          }
        },
        detail::as_user_failure);
  }

private:
  laneway_scope *raw_;
};

/* A pool of worker threads. Copies share it. */
class pool : public detail::counted<laneway_pool, laneway_pool_retain, laneway_pool_release> {
public:
  using counted::counted;

  static laneway_pool_options options() noexcept {
    laneway_pool_options options;
    laneway_pool_options_init(&options, sizeof options);
    return options;
  }

  static result<pool> create(const laneway_pool_options &options = pool::options()) {
    laneway_pool *made = nullptr;
    laneway_error *why = nullptr;
    const laneway_status code = laneway_pool_new(&options, &made, &why);
    return code == LANEWAY_OK ? result<pool>(pool(made)) : result<pool>(code, error(why));
  }

  std::size_t workers() const noexcept { return laneway_pool_workers(raw()); }

  /* Runs both, perhaps in parallel. Rethrows what `a` threw, else what `b` threw. */
  template <class A, class B> status join(A &&a, B &&b) {
    side<A> first{a};
    side<B> second{b};
    const status said = laneway_pool_join(raw(), side<A>::run, &first, side<B>::run, &second);
    first.rethrow();
    second.rethrow();
    return said;
  }

  /* Calls `body(scope &)` and returns when everything spawned in it has ended. */
  template <class Body> status scope(Body &&body) {
    using callable = std::remove_reference_t<Body>;
    return laneway_pool_scope(raw(), laneway::scope::run<callable>, std::addressof(body));
  }

  /* Runs `work()` on a worker, some time. What it throws is lost. */
  template <class Work> status spawn(Work work) {
    return laneway_pool_spawn(raw(), detached<Work>, new Work(std::move(work)),
                              detail::drop<Work>);
  }

  status shutdown(laneway_shutdown how = LANEWAY_SHUTDOWN_DRAIN,
                  std::chrono::nanoseconds timeout = forever) {
    return laneway_pool_shutdown(raw(), how, detail::nanoseconds(timeout), nullptr);
  }

private:
  template <class Callable> struct side {
    std::remove_reference_t<Callable> &callable;
#if defined(__cpp_exceptions)
    std::exception_ptr thrown = nullptr;
    void rethrow() const {
      if (thrown) {
        std::rethrow_exception(thrown);
      }
    }
    static laneway_status run(void *user_data) noexcept {
      side &self = *static_cast<side *>(user_data);
      try {
        return detail::answer(self.callable);
      } catch (...) {
        self.thrown = std::current_exception();
        return LANEWAY_EUSER;
      }
    }
#else
    void rethrow() const {}
    static laneway_status run(void *user_data) noexcept {
      return detail::answer(static_cast<side *>(user_data)->callable);
    }
#endif
  };

  template <class Work> static void detached(void *user_data) noexcept {
    detail::contained([&] { return detail::answer(*static_cast<Work *>(user_data)); },
                      detail::as_user_failure);
  }
};

/* Something that a job waits for after its body has returned. Destroyed unfinished, it fails the
 * attempt with LANEWAY_EABANDONED. */
class token {
public:
  explicit token(laneway_token *owned) noexcept : raw_(owned) {}
  bool is_wanted() const noexcept { return laneway_token_is_wanted(raw_.get()); }
  status succeed() noexcept { return laneway_token_succeed(raw_.release()); }
  status fail(laneway_status code, std::string_view text = {}) noexcept {
    return laneway_token_fail(raw_.release(), code, text.data(), text.size());
  }

private:
  struct deleter {
    void operator()(laneway_token *owned) const noexcept { laneway_token_free(owned); }
  };
  std::unique_ptr<laneway_token, deleter> raw_;
};

/* The body's view of its job; valid until the body returns. */
class job_context {
public:
  explicit job_context(laneway_job_context *borrowed) noexcept : raw_(borrowed) {}
  std::uint32_t attempt() const noexcept { return laneway_job_context_attempt(raw_); }
  bool is_cancelled() const noexcept { return laneway_job_context_is_cancelled(raw_); }
  status sleep(std::chrono::nanoseconds time) const noexcept {
    return laneway_job_context_sleep(raw_, detail::nanoseconds(time));
  }
  /* Takes a token: return LANEWAY_PENDING from the body. */
  token defer() { return token(laneway_job_context_defer(raw_)); }
  /* A failure with a text, to be returned from the body. */
  laneway_status fail(laneway_status code, std::string_view text) noexcept {
    return laneway_job_context_fail(raw_, code, text.data(), text.size());
  }

private:
  laneway_job_context *raw_;
};

/* The undo's view of its job; valid until the undo returns. */
class undo_context {
public:
  explicit undo_context(laneway_undo_context *borrowed) noexcept : raw_(borrowed) {}
  laneway_status cause() const noexcept { return laneway_undo_context_cause(raw_); }
  std::uint32_t attempts() const noexcept { return laneway_undo_context_attempts(raw_); }
  token defer() { return token(laneway_undo_context_defer(raw_)); }
  laneway_status fail(laneway_status code, std::string_view text) noexcept {
    return laneway_undo_context_fail(raw_, code, text.data(), text.size());
  }

private:
  laneway_undo_context *raw_;
};

/* How a job ended. */
struct outcome {
  laneway_outcome_kind kind;
  bool started;
  laneway_status cause;
  laneway_status rollback;
  bool completed() const noexcept { return kind == LANEWAY_OUTCOME_COMPLETED; }
  const char *name() const noexcept { return laneway_outcome_name(kind); }
};

/* A submitted job. Copies share it; destroying the last one detaches it. */
class job : public detail::counted<laneway_job, laneway_job_retain, laneway_job_release> {
public:
  using counted::counted;

  result<outcome> wait(std::chrono::nanoseconds timeout = forever) const {
    laneway_outcome ended;
    laneway_outcome_init(&ended, sizeof ended);
    const laneway_status code = laneway_job_wait(raw(), detail::nanoseconds(timeout), &ended);
    if (code != LANEWAY_OK) {
      return {code, error()};
    }
    return outcome{static_cast<laneway_outcome_kind>(ended.kind), ended.started != 0, ended.cause,
                   ended.rollback};
  }

  status cancel() const noexcept { return laneway_job_cancel(raw()); }
  laneway_job_state state() const noexcept {
    return static_cast<laneway_job_state>(laneway_job_status(raw(), nullptr));
  }

  /* Why it failed; empty if no cause is recorded. */
  error cause() const noexcept {
    laneway_error *why = nullptr;
    laneway_job_cause(raw(), &why);
    return error(why);
  }

  /* Calls `callable(job)` on a worker when the job has ended. */
  template <class Callable> status on_done(Callable callable) const {
    return laneway_job_on_done(raw(), done<Callable>, new Callable(std::move(callable)),
                               detail::drop<Callable>);
  }

private:
  template <class Callable> static void done(void *user_data, laneway_job *raw) noexcept {
    job ended(laneway_job_retain(raw));
    detail::contained(
        [&] { return detail::answer(*static_cast<Callable *>(user_data), ended); },
        detail::as_user_failure);
  }
};

/* Runs jobs: one after another for a key, in parallel across keys. Copies share it. */
class coordinator
    : public detail::counted<laneway_coordinator, laneway_coordinator_retain,
                             laneway_coordinator_release> {
public:
  using counted::counted;

  static result<coordinator> create(const pool &pool) {
    laneway_coordinator *made = nullptr;
    laneway_error *why = nullptr;
    const laneway_status code = laneway_coordinator_new(pool.raw(), nullptr, &made, &why);
    return code == LANEWAY_OK ? result<coordinator>(coordinator(made))
                              : result<coordinator>(code, error(why));
  }

  static laneway_job_options options() noexcept {
    laneway_job_options options;
    laneway_job_options_init(&options, sizeof options);
    return options;
  }

  /* Submits `body(job_context &)`; it is called again for every attempt. */
  template <class Body>
  result<job> submit(std::string_view key, Body body,
                     const laneway_job_options &options = coordinator::options()) {
    return append(key, new Body(std::move(body)), run_body<Body, itself<Body>>, options);
  }

  /* Submits a body with its undo: `undo(undo_context &)`. */
  template <class Body, class Undo,
            class = std::enable_if_t<std::is_invocable_v<Undo &, undo_context &>>>
  result<job> submit(std::string_view key, Body body, Undo undo,
                     laneway_job_options options = coordinator::options()) {
    using both = undoable<Body, Undo>;
    options.undo = run_undo<both>;
    return append(key, new both{std::move(body), std::move(undo)}, run_body<both, its_body<both>>,
                  options);
  }

  /* Holds before the next job of these keys starts; `LANEWAY_EALREADY` if it did before. */
  status pause(std::string_view key, laneway_keys keys = LANEWAY_KEYS_ONE) const noexcept {
    return laneway_coordinator_pause(raw(), keys, key.data(), key.size());
  }
  status resume(std::string_view key, laneway_keys keys = LANEWAY_KEYS_ONE) const noexcept {
    return laneway_coordinator_resume(raw(), keys, key.data(), key.size());
  }
  status step(std::string_view key) const noexcept {
    return laneway_coordinator_step(raw(), key.data(), key.size());
  }
  status cancel(std::string_view key, laneway_keys keys = LANEWAY_KEYS_ONE) const noexcept {
    return laneway_coordinator_cancel(raw(), keys, key.data(), key.size());
  }
  status release_key(std::string_view key) const noexcept {
    return laneway_coordinator_release_key(raw(), key.data(), key.size());
  }
  status drain(std::chrono::nanoseconds timeout = forever) const noexcept {
    return laneway_coordinator_drain(raw(), detail::nanoseconds(timeout));
  }
  status shutdown(laneway_shutdown how = LANEWAY_SHUTDOWN_DRAIN,
                  std::chrono::nanoseconds timeout = forever) {
    return laneway_coordinator_shutdown(raw(), how, detail::nanoseconds(timeout), nullptr);
  }

private:
  template <class Body, class Undo> struct undoable {
    Body body;
    Undo undo;
  };
  template <class Boxed> static Boxed &itself(Boxed &boxed) noexcept { return boxed; }
  template <class Boxed> static auto &its_body(Boxed &boxed) noexcept { return boxed.body; }

  /* What runs, what goes with it, and where the body is found in it. */
  template <class Boxed, auto &Find>
  static laneway_status run_body(void *user_data, laneway_job_context *raw) noexcept {
    job_context context(raw);
    return detail::contained(
        [&] { return detail::answer(Find(*static_cast<Boxed *>(user_data)), context); },
        [&](const char *text) { return context.fail(LANEWAY_EUSER, text); });
  }

  template <class Boxed>
  static laneway_status run_undo(void *user_data, laneway_undo_context *raw) noexcept {
    undo_context context(raw);
    return detail::contained(
        [&] { return detail::answer(static_cast<Boxed *>(user_data)->undo, context); },
        [&](const char *text) { return context.fail(LANEWAY_EUSER, text); });
  }

  template <class Boxed>
  result<job> append(std::string_view key, Boxed *boxed, laneway_job_fn body,
                     const laneway_job_options &options) {
    laneway_job *made = nullptr;
    laneway_error *why = nullptr;
    const laneway_status code =
        laneway_coordinator_submit(raw(), key.data(), key.size(), &options, body, boxed,
                                   detail::drop<Boxed>, &made, &why);
    return code == LANEWAY_OK ? result<job>(job(made)) : result<job>(code, error(why));
  }
};

/* What is known of one persistent task at one moment. */
class task {
public:
  explicit task(laneway_task *owned) noexcept : raw_(owned) {}
  /* Its fields; what they point to lives as long as this object. */
  laneway_task_view view() const noexcept {
    laneway_task_view seen;
    laneway_task_view_init(&seen, sizeof seen);
    laneway_task_read(raw_.get(), &seen);
    return seen;
  }

private:
  struct deleter {
    void operator()(laneway_task *owned) const noexcept { laneway_task_free(owned); }
  };
  std::unique_ptr<laneway_task, deleter> raw_;
};

/* The bytes of a field, as characters. */
inline std::string_view text(const laneway_bytes &bytes) noexcept {
  return {reinterpret_cast<const char *>(bytes.ptr), bytes.len};
}

/* An answer that comes when the change is durable. */
class pending {
public:
  explicit pending(laneway_pending *owned) noexcept : raw_(owned) {}
  bool is_done() const noexcept { return laneway_pending_is_done(raw_.get()); }
  /* LANEWAY_ETIMEDOUT leaves it as it is. */
  result<task> wait(std::chrono::nanoseconds timeout = forever) const {
    laneway_task *answered = nullptr;
    laneway_error *why = nullptr;
    const laneway_status code =
        laneway_pending_wait(raw_.get(), detail::nanoseconds(timeout), &answered, &why);
    return code == LANEWAY_OK ? result<task>(task(answered)) : result<task>(code, error(why));
  }

private:
  struct deleter {
    void operator()(laneway_pending *owned) const noexcept { laneway_pending_free(owned); }
  };
  std::unique_ptr<laneway_pending, deleter> raw_;
};

/* The right to report the end of a run, from any thread. Destroyed unused, the run has failed. */
class completion {
public:
  explicit completion(laneway_completion *owned) noexcept : raw_(owned) {}
  bool is_cancelled() const noexcept { return laneway_completion_is_cancelled(raw_.get()); }
  /* Its fields; what they point to lives as long as this object. */
  laneway_task_view view() const noexcept {
    laneway_task_view seen;
    laneway_task_view_init(&seen, sizeof seen);
    laneway_completion_read(raw_.get(), &seen);
    return seen;
  }
  result<pending> checkpoint(std::string_view state) const {
    laneway_pending *asked = nullptr;
    const laneway_status code =
        laneway_completion_checkpoint(raw_.get(), state.data(), state.size(), &asked);
    return answer(code, asked);
  }
  /* Ends the run: this object is empty afterwards. */
  result<pending> complete(std::string_view result = {}) {
    laneway_pending *asked = nullptr;
    const laneway_status code =
        laneway_completion_complete(raw_.release(), result.data(), result.size(), &asked);
    return answer(code, asked);
  }

  static result<pending> answer(laneway_status code, laneway_pending *asked) {
    return code == LANEWAY_OK ? result<pending>(pending(asked)) : result<pending>(code, error());
  }

private:
  struct deleter {
    void operator()(laneway_completion *owned) const noexcept { laneway_completion_free(owned); }
  };
  std::unique_ptr<laneway_completion, deleter> raw_;
};

/* An executor's view of the task that it begins; valid until it returns. */
class task_context {
public:
  explicit task_context(laneway_task_context *borrowed) noexcept : raw_(borrowed) {}
  bool is_cancelled() const noexcept { return laneway_task_context_is_cancelled(raw_); }
  laneway_task_view view() const noexcept {
    laneway_task_view seen;
    laneway_task_view_init(&seen, sizeof seen);
    laneway_task_context_read(raw_, &seen);
    return seen;
  }
  /* Takes the right to report the end: return LANEWAY_PENDING. Empty if it was taken before. */
  completion defer() { return completion(laneway_task_context_defer(raw_)); }
  /* Success with a result, to be returned. */
  laneway_status done(std::string_view result) noexcept {
    return laneway_task_context_done(raw_, result.data(), result.size());
  }
  /* A failure with a text, to be returned. */
  laneway_status fail(std::string_view text,
                      laneway_failure_kind kind = LANEWAY_FAILURE_RUN) noexcept {
    return laneway_task_context_fail(raw_, kind, text.data(), text.size());
  }

private:
  laneway_task_context *raw_;
};

/* Persistent tasks. Copies share the service. */
class task_service : public detail::counted<laneway_task_service, laneway_task_service_retain,
                                            laneway_task_service_release> {
public:
  using counted::counted;

  static laneway_task_service_options options() noexcept {
    laneway_task_service_options options;
    laneway_task_service_options_init(&options, sizeof options);
    return options;
  }

  static result<task_service> open(const pool &pool, const laneway_task_service_options &options) {
    laneway_task_service *opened = nullptr;
    laneway_error *why = nullptr;
    const laneway_status code = laneway_task_service_open(pool.raw(), &options, &opened, &why);
    return code == LANEWAY_OK ? result<task_service>(task_service(opened))
                              : result<task_service>(code, error(why));
  }

  /* `execute(task_context &)` begins the tasks called `name`, several at a time. What it throws is a
   * failure of the run, with its text. */
  template <class Execute> status executor(std::string_view name, Execute execute) {
    laneway_executor_vtable vtable;
    laneway_executor_vtable_init(&vtable, sizeof vtable);
    vtable.start = begin<Execute>;
    return laneway_task_service_register(raw(), name.data(), name.size(), &vtable,
                                         new Execute(std::move(execute)), detail::drop<Execute>,
                                         nullptr);
  }

  static laneway_new_task new_task(std::string_view id, std::string_view name,
                                   std::string_view params = {}) noexcept {
    laneway_new_task made;
    laneway_new_task_init(&made, sizeof made);
    made.id = id.data();
    made.id_len = id.size();
    made.name = name.data();
    made.name_len = name.size();
    made.params = params.data();
    made.params_len = params.size();
    return made;
  }

  result<pending> start(const laneway_new_task &task) const {
    laneway_pending *asked = nullptr;
    const laneway_status code = laneway_task_service_start(raw(), &task, &asked);
    return completion::answer(code, asked);
  }
  result<pending> end_of(std::string_view id) const {
    laneway_pending *asked = nullptr;
    const laneway_status code = laneway_task_service_end_of(raw(), id.data(), id.size(), &asked);
    return completion::answer(code, asked);
  }
  result<pending> remove(std::string_view id) const {
    laneway_pending *asked = nullptr;
    const laneway_status code = laneway_task_service_remove(raw(), id.data(), id.size(), &asked);
    return completion::answer(code, asked);
  }
  result<pending> cancel(std::string_view id, std::chrono::nanoseconds grace) const {
    laneway_pending *asked = nullptr;
    const laneway_status code = laneway_task_service_cancel(raw(), id.data(), id.size(),
                                                            detail::nanoseconds(grace), &asked);
    return completion::answer(code, asked);
  }
  /* The task as of the last commit. */
  result<task> get(std::string_view id) const {
    laneway_task *found = nullptr;
    const laneway_status code = laneway_task_service_get(raw(), id.data(), id.size(), &found);
    return code == LANEWAY_OK ? result<task>(task(found)) : result<task>(code, error());
  }
  status shutdown(std::chrono::nanoseconds timeout = forever) const {
    return laneway_task_service_shutdown(raw(), detail::nanoseconds(timeout), nullptr);
  }

private:
  template <class Execute>
  static laneway_status begin(void *user_data, laneway_task_context *raw) noexcept {
    task_context context(raw);
    Execute &execute = *static_cast<Execute *>(user_data);
    return detail::contained([&] { return detail::answer(execute, context); },
                             [&](const char *text) { return context.fail(text); });
  }
};

} // namespace laneway

#endif
