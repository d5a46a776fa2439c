// Breaks the contract on purpose: an exception leaves a callback. It must not pass through the
// library: the process ends with a word about it, and the catch below is never reached.

#include <laneway.h>

#include <cstdio>

namespace {

laneway_status throws(void *) { throw 7; }
laneway_status returns(void *) { return LANEWAY_OK; }

} // namespace

int main() {
  laneway_pool *pool = nullptr;
  if (laneway_pool_new(nullptr, &pool, nullptr) != LANEWAY_OK) {
    return 1;
  }
  try {
    laneway_pool_join(pool, throws, nullptr, returns, nullptr);
  } catch (...) {
    std::puts("the exception passed through the library");
    return 2;
  }
  std::puts("the exception was lost");
  return 3;
}
