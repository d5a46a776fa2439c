// The C++ wrapper: owners, lambdas, what they throw, results without exceptions.

#include <laneway.hpp>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <memory>
#include <string>
#include <utility>

using namespace std::chrono_literals;

namespace {

#define CHECK(fact)                                                                                \
  do {                                                                                             \
    if (!(fact)) {                                                                                 \
      std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #fact);                      \
      std::abort();                                                                                \
    }                                                                                              \
  } while (false)

// Longer than any step of a test takes, also under valgrind.
constexpr auto a_while = 60s;

void join_and_scope_run_lambdas(laneway::pool &pool) {
  int left = 0, right = 0;
  CHECK(pool.join([&] { left = 1; }, [&] { right = 2; }).ok());
  CHECK(left == 1 && right == 2);
  CHECK(pool.join([] { return LANEWAY_EUSER - 1; }, [] {}).code() == LANEWAY_EUSER - 1);

  std::atomic<int> ran{0};
  const laneway::status ended = pool.scope([&](laneway::scope &scope) {
    for (int count = 0; count < 10; ++count) {
      scope.spawn([&ran](laneway::scope &inner) { inner.spawn([&ran] { ++ran; }).check(); }).check();
    }
  });
  CHECK(ended.ok());
  CHECK(ran == 10);
}

// Whatever is boxed for the library is deleted, also when it is never called.
void captures_are_dropped_once(laneway::pool &pool, laneway::coordinator &jobs) {
  const auto watched = std::make_shared<int>(7);
  pool.spawn([watched] {}).check();
  jobs.submit("drop", [watched](laneway::job_context &) {}, [watched](laneway::undo_context &) {})
      .value()
      .on_done([watched](laneway::job &job) { CHECK(job.state() == LANEWAY_JOB_ENDED); })
      .check();
  CHECK(jobs.drain(a_while).ok());
  const std::string too_long(70000, 'k');
  const auto refused = jobs.submit(too_long, [watched](laneway::job_context &) {});
  CHECK(!refused.ok() && refused.code() == LANEWAY_ETOOLONG);
  CHECK(!refused.why().message().empty());
  CHECK(laneway_pool_wait_quiescent(pool.raw(), 60000000000) == LANEWAY_OK);
  CHECK(watched.use_count() == 1);
}

void a_lost_token_abandons_its_job(laneway::coordinator &jobs) {
  const laneway::outcome ended = jobs.submit("token",
                                             [](laneway::job_context &context) {
                                               const laneway::token lost = context.defer();
                                               CHECK(lost.is_wanted());
                                               return LANEWAY_PENDING;
                                             })
                                     .value()
                                     .wait(a_while)
                                     .value();
  CHECK(ended.kind == LANEWAY_OUTCOME_FAILED && ended.cause == LANEWAY_EABANDONED);
}

void copies_share_and_moves_empty(laneway::coordinator jobs) {
  laneway::job first = jobs.submit("copy", [](laneway::job_context &) {}).value();
  laneway::job second = first;
  CHECK(second.raw() == first.raw());
  laneway::job third = std::move(first);
  CHECK(third.raw() == second.raw());
  second = laneway::job();
  CHECK(third.wait(a_while).value().completed());
  CHECK(!third.cause());
  CHECK(third.cancel().code() == LANEWAY_EALREADY);
}

void a_task_runs_to_its_durable_end(const laneway::pool &pool) {
  using service = laneway::task_service;
  const auto drops = std::make_shared<int>(0);
  {
    laneway_task_service_options options = service::options();
    options.backend = LANEWAY_STORE_MEMORY;
    service tasks = service::open(pool, options).value();
    const auto begun = std::make_shared<std::promise<laneway::completion>>();
    const auto echo = [drops](laneway::task_context &context) {
      return context.done(laneway::text(context.view().params));
    };
    const auto later = [begun](laneway::task_context &context) {
      begun->set_value(context.defer());
      return LANEWAY_PENDING;
    };
    CHECK(tasks.executor("echo", echo).ok());
    CHECK(tasks.executor("later", later).ok());
    CHECK(tasks.executor("echo", echo).code() == LANEWAY_EEXISTS);

    laneway_new_task job = service::new_task("a", "echo", "hello");
    job.flags = LANEWAY_NEW_TASK_KEEP;
    CHECK(tasks.start(job).value().wait(a_while).value().view().created == 1);
    const laneway::task ended = tasks.end_of("a").value().wait(a_while).value();
    CHECK(laneway::text(ended.view().result) == "hello");
    CHECK(laneway::text(tasks.get("a").value().view().id) == "a");
    CHECK(tasks.get("b").code() == LANEWAY_ENOTFOUND);
    CHECK(tasks.remove("a").value().wait(a_while).ok());
    CHECK(tasks.start(service::new_task("x", "nobody")).value().wait(a_while).code() ==
          LANEWAY_ENOTFOUND);

    CHECK(tasks.start(service::new_task("b", "later")).value().wait(a_while).ok());
    laneway::completion run = begun->get_future().get();
    CHECK(tasks.cancel("b", a_while).value().wait(a_while).ok());
    CHECK(tasks.end_of("b").value().wait(std::chrono::nanoseconds(0)).code() ==
          LANEWAY_ETIMEDOUT);
    CHECK(run.is_cancelled() && laneway::text(run.view().id) == "b");
    CHECK(run.complete("still").value().wait(a_while).ok());
    CHECK(tasks.end_of("b").value().wait(a_while).value().view().outcome ==
          LANEWAY_TASK_OUTCOME_COMPLETED);
    CHECK(tasks.shutdown(a_while).ok());
  }
  CHECK(drops.use_count() == 1);
}

#if defined(__cpp_exceptions)
void what_a_callable_throws_does_not_reach_the_library(laneway::pool &pool,
                                                       laneway::coordinator &jobs) {
  const laneway::job job =
      jobs.submit("throw",
                  [](laneway::job_context &) -> laneway_status { throw std::logic_error("oops"); },
                  [](laneway::undo_context &) { throw 7; })
          .value();
  const laneway::outcome ended = job.wait(a_while).value();
  CHECK(ended.kind == LANEWAY_OUTCOME_DOUBLE_FAULT);
  CHECK(ended.cause == LANEWAY_EUSER && ended.rollback == LANEWAY_EUSER);
  CHECK(job.cause().message() == "oops");

  std::string caught;
  try {
    pool.join([] { throw std::runtime_error("left"); }, [] {}).check();
  } catch (const std::runtime_error &thrown) {
    caught = thrown.what();
  }
  CHECK(caught == "left");
  CHECK(pool.scope([](laneway::scope &) { throw 7; }).code() == LANEWAY_EUSER);
  try {
    static_cast<void>(laneway::coordinator::create(laneway::pool()).value());
    CHECK(false);
  } catch (const laneway::failure &failure) {
    CHECK(failure.status() == LANEWAY_EINVAL);
  }
}
#endif

} // namespace

int main() {
  laneway_pool_options options = laneway::pool::options();
  options.workers = 2;
  laneway::pool pool = laneway::pool::create(options).value();
  CHECK(pool.workers() == 2);
  laneway::coordinator jobs = laneway::coordinator::create(pool).value();
  join_and_scope_run_lambdas(pool);
  captures_are_dropped_once(pool, jobs);
  a_lost_token_abandons_its_job(jobs);
  copies_share_and_moves_empty(jobs);
  a_task_runs_to_its_durable_end(pool);
#if defined(__cpp_exceptions)
  what_a_callable_throws_does_not_reach_the_library(pool, jobs);
#endif
  CHECK(jobs.shutdown(LANEWAY_SHUTDOWN_DRAIN, a_while).ok());
  CHECK(pool.shutdown(LANEWAY_SHUTDOWN_DRAIN, a_while).ok());
  return 0;
}
