// Jobs of one key run in order, one at a time; different keys run in parallel.
//
// Four accounts, each a key. Deposits add up in order; one body fails twice and is run again; one
// gives up and is undone; one is pending until other work finishes its token. Build and run:
//
//   c++ -std=c++17 keyed_jobs.cpp -o keyed_jobs -llaneway && ./keyed_jobs
//
// Also compiles with -fno-exceptions: `value()` and `check()` then abort instead of throwing.

#include <laneway.hpp>

#include <cstdio>
#include <memory>
#include <utility>

using namespace std::chrono_literals;

namespace {

// Statuses of one's own begin at LANEWAY_EUSER and come back unchanged.
enum : laneway_status { line_busy = LANEWAY_EUSER - 1, no_funds = LANEWAY_EUSER - 2 };

// Prints how a job ended and says whether it ended as expected.
bool ended_as(const laneway::job &job, const char *name, laneway_outcome_kind kind,
              const int &balance, int expected) {
  const laneway::outcome outcome = job.wait(60s).value();
  const laneway::error cause = job.cause();
  std::printf("%-6s %-12s balance %4d  %s\n", name, outcome.name(), balance,
              std::string(cause.message()).c_str());
  return outcome.kind == kind && balance == expected;
}

} // namespace

int main() {
  laneway::pool pool = laneway::pool::create().value();
  laneway::coordinator accounts = laneway::coordinator::create(pool).value();

  // No locks: jobs of one key never overlap, and each sees what the last one did.
  int anna = 0, ben = 0, cara = 5, dan = 0;

  laneway::job last;
  for (int count = 0; count < 100; ++count) {
    last = accounts.submit("anna", [&anna](laneway::job_context &) { anna += 10; }).value();
  }

  laneway_job_options retried = laneway::coordinator::options();
  retried.retries = 5;
  retried.delay_base_ns = 100000;
  const laneway::job call =
      accounts
          .submit(
              "ben",
              [&ben](laneway::job_context &context) -> laneway_status {
                if (context.attempt() < 3) {
                  return context.fail(line_busy, "the line is busy");
                }
                ben = 3;
                return LANEWAY_OK;
              },
              retried)
          .value();

  const laneway::job failed = accounts
                                  .submit(
                                      "cara",
                                      [&cara](laneway::job_context &context) {
                                        cara -= 100;
                                        return context.fail(no_funds, "not enough money");
                                      },
                                      [&cara](laneway::undo_context &) { cara += 100; })
                                  .value();

  const laneway::job transfer =
      accounts
          .submit("dan",
                  [&dan, pool](laneway::job_context &context) mutable -> laneway_status {
                    // No worker waits meanwhile: whoever has the token finishes the job.
                    auto token = std::make_shared<laneway::token>(context.defer());
                    dan = 50;
                    pool.spawn([token] { token->succeed().check(); }).check();
                    return LANEWAY_PENDING;
                  })
          .value();

  bool fine = ended_as(last, "anna", LANEWAY_OUTCOME_COMPLETED, anna, 1000);
  fine &= ended_as(call, "ben", LANEWAY_OUTCOME_COMPLETED, ben, 3);
  fine &= ended_as(failed, "cara", LANEWAY_OUTCOME_ROLLED_BACK, cara, 5);
  fine &= ended_as(transfer, "dan", LANEWAY_OUTCOME_COMPLETED, dan, 50);

  accounts.shutdown(LANEWAY_SHUTDOWN_DRAIN, 60s).check();
  pool.shutdown(LANEWAY_SHUTDOWN_DRAIN, 60s).check();
  return fine ? 0 : 1;
}
