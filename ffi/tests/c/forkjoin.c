/* Completion trees and the default pool. */
#include "check.h"

/* Counted under the pool's own order: parts are ordered before the action, and tests read after it. */
typedef struct {
  int ran, dropped, ended, how;
} tree;

static void count_drop(void *user_data) { ((tree *)user_data)->dropped += 1; }

static void act(void *user_data, uint32_t ended) {
  tree *all = user_data;
  all->ended += 1;
  all->how = (int)ended;
}

/* A chain: each part spawns the next one, so that one at a time touches the counts. */
static void step(void *user_data, struct laneway_part *part) {
  tree *all = user_data;
  all->ran += 1;
  if (all->ran < 100) {
    CHECK_OK(laneway_part_spawn(part, step, all, NULL));
  }
}

static void never(void *user_data, struct laneway_part *part) {
  (void)user_data;
  (void)part;
  CHECK(0);
}

static void the_action_runs_after_its_parts(struct laneway_pool *pool) {
  tree all = {0, 0, 0, -1};
  struct laneway_part *root = NULL, *kept = NULL;
  CHECK_OK(laneway_pool_completion(pool, act, &all, count_drop, &root));
  CHECK_OK(laneway_part_spawn(root, step, &all, NULL));
  kept = laneway_part_clone(root);
  laneway_part_end(root);
  CHECK_OK(laneway_pool_wait_quiescent(pool, A_WHILE_NS));
  CHECK(all.ran == 100 && all.ended == 0);
  CHECK(laneway_part_pending(kept) == 1);
  laneway_part_end(kept);
  CHECK(all.ended == 1 && all.how == LANEWAY_ENDED_COMPLETED && all.dropped == 1);
}

static void nodes_end_from_the_leaves_up(struct laneway_pool *pool) {
  tree above = {0, 0, 0, -1}, below = {0, 0, 0, -1};
  struct laneway_part *root = NULL, *child = NULL;
  CHECK_OK(laneway_pool_completion(pool, act, &above, count_drop, &root));
  CHECK_OK(laneway_part_child(root, act, &below, count_drop, &child));
  CHECK(laneway_part_pending(root) == 2);
  laneway_part_end(root);
  CHECK(above.ended == 0 && below.ended == 0);
  laneway_part_end(child);
  CHECK(above.ended == 1 && below.ended == 1);
  CHECK(above.dropped == 1 && below.dropped == 1);
}

static void a_cancelled_tree_starts_nothing(struct laneway_pool *pool) {
  tree all = {0, 0, 0, -1}, refused = {0, 0, 0, -1};
  struct laneway_part *root = NULL;
  CHECK_OK(laneway_pool_completion(pool, act, &all, count_drop, &root));
  CHECK(!laneway_part_is_cancelled(root));
  laneway_part_cancel(root);
  CHECK(laneway_part_is_cancelled(root));
  CHECK_OK(laneway_part_spawn(root, never, &refused, count_drop));
  CHECK_OK(laneway_pool_wait_quiescent(pool, A_WHILE_NS));
  CHECK(refused.dropped == 1);
  laneway_part_end(root);
  CHECK(all.ended == 1 && all.how == LANEWAY_ENDED_CANCELLED);
}

static void what_is_refused_is_dropped(struct laneway_pool *pool) {
  tree all = {0, 0, 0, -1};
  struct laneway_part *out = NULL;
  CHECK_STATUS(laneway_pool_completion(pool, NULL, &all, count_drop, &out), LANEWAY_EINVAL);
  CHECK_STATUS(laneway_pool_completion(NULL, act, &all, count_drop, &out), LANEWAY_EINVAL);
  CHECK_STATUS(laneway_pool_completion(pool, act, &all, count_drop, NULL), LANEWAY_EINVAL);
  CHECK_STATUS(laneway_part_child(NULL, act, &all, count_drop, &out), LANEWAY_EINVAL);
  CHECK_STATUS(laneway_part_spawn(NULL, step, &all, count_drop), LANEWAY_EINVAL);
  CHECK(all.dropped == 5 && all.ended == 0 && all.ran == 0 && out == NULL);
  CHECK(laneway_part_clone(NULL) == NULL);
  CHECK(laneway_part_pending(NULL) == 0);
  laneway_part_cancel(NULL);
  laneway_part_end(NULL);
}

static void the_default_pool_is_built_once(void) {
  struct laneway_pool_options options;
  struct laneway_pool *built = NULL, *found = NULL;
  laneway_pool_options_init(&options, sizeof options);
  options.workers = 2;
  CHECK_OK(laneway_pool_build_global(&options, &built, NULL));
  CHECK(laneway_pool_workers(built) == 2);
  CHECK_STATUS(laneway_pool_build_global(&options, &found, NULL), LANEWAY_EEXISTS);
  CHECK_OK(laneway_pool_global(&found, NULL));
  CHECK(laneway_pool_workers(found) == 2);
  laneway_pool_release(found);
  end_pool(built);
}

int main(void) {
  struct laneway_pool *pool = new_pool(2);
  the_action_runs_after_its_parts(pool);
  nodes_end_from_the_leaves_up(pool);
  a_cancelled_tree_starts_nothing(pool);
  what_is_refused_is_dropped(pool);
  end_pool(pool);
  the_default_pool_is_built_once();
  return 0;
}
