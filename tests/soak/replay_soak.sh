#!/usr/bin/env bash
# Replays a made-up history with a state directory, killing it three times on the way.
#
#   tests/soak/replay_soak.sh [--small] [--keep]
#
# The history has more than 20 000 events (--small: some hundreds): files, executables and symlinks
# that come, change and go, and names that are files, symlinks and directories in turn. Each run has
# injected failures and delays. Three times the process gets SIGKILL when a random share of its
# jobs has been recorded; then the same command is run again. In the end the command must find the
# tree identical and its journal clean, and git itself must agree about the tree.
#
# LANEWAY names the binary; without it, it is built (release). Needs git, awk, cargo.

set -euo pipefail

here=$(cd "$(dirname "$0")/../.." && pwd)
commits=1200 changes=25 events_min=20000 jitter_ms=2 keep=
for option in "$@"; do
    case $option in
    --small) commits=60 changes=15 events_min=500 ;;
    --keep) keep=yes ;;
    *) echo "usage: $0 [--small] [--keep]" >&2; exit 64 ;;
    esac
done

work=$(mktemp -d)
replay=
finish() {
    [ -z "$replay" ] || kill -KILL "$replay" 2>/dev/null || true
    [ -n "$keep" ] && echo "kept: $work" || rm -rf "$work"
}
trap finish EXIT

fail() {
    echo "replay soak: $*" >&2
    exit 1
}

binary=${LANEWAY:-}
if [ -z "$binary" ]; then
    cargo build --quiet --release -p laneway-cli --manifest-path "$here/Cargo.toml"
    binary=${CARGO_TARGET_DIR:-$here/target}/release/laneway
fi

# A history as a stream for `git fast-import`. The same for the same numbers.
history() {
    awk -v commits="$1" -v changes="$2" '
        function pick(bound) { seed = (seed * 1103515245 + 12345) % 2147483648
                               return int(seed / 65536) % bound }
        function blob(mode, path, text) {
            printf "M %s inline %s\ndata %d\n%s\n", mode, path, length(text), text }
        function text(commit, n,   word) {
            word = "commit " commit " change " n
            for (k = pick(40); k > 0; k--) word = word "\nline " pick(1000)
            return pick(20) ? word : "" }
        function change(commit, n,   path, kind) {
            kind = pick(100)
            path = "dir" pick(12) "/sub" pick(5) "/file" pick(30)
            if (kind < 60) blob("100644", path, text(commit, n))
            else if (kind < 70) blob("100755", path, text(commit, n))
            else if (kind < 75) blob("120000", path, "../" pick(9) "/target" commit)
            else if (kind < 88) print "D " path
            else swap(commit, n, "swap" pick(8)) }
        # One name as a file, a symlink, a directory and nothing, in turn.
        function swap(commit, n, name,   form) {
            form = pick(4)
            print "D " name
            if (form == 0) blob("100644", name, text(commit, n))
            else if (form == 1) blob("120000", name, "dir" pick(12))
            else if (form == 2) for (k = pick(4); k >= 0; k--)
                blob("100644", name "/deep" pick(3) "/leaf" k, text(commit, n)) }
        BEGIN {
            seed = 7
            for (commit = 1; commit <= commits; commit++) {
                printf "commit refs/heads/main\ncommitter soak <soak@example.org> %d +0000\n",
                    1700000000 + commit
                printf "data 4\nsoak\n"
                for (n = 0; n < changes; n++) change(commit, n)
                print "" } }'
}

repo=$work/history.git into=$work/into state=$work/state
git init --quiet --bare --initial-branch=main "$repo"
history "$commits" "$changes" | git -C "$repo" fast-import --quiet

run() {
    "$binary" replay "$repo" --into "$into" --state "$state" \
        --jobs 8 --fail-percent 1 --jitter-ms "$jitter_ms"
}

# How many jobs the journal calls recorded; a run that resumes repeats what it found.
recorded() {
    [ -f "$state/journal" ] || { echo 0; return; }
    awk '$1 == "recorded" && !seen[$2]++ { count++ } END { print count + 0 }' "$state/journal"
}

# Starts a run in the background and kills it once about `$1` more jobs have been recorded.
run_and_kill() {
    local target=$(($(recorded) + $1))
    "$binary" replay "$repo" --into "$into" --state "$state" \
        --jobs 8 --fail-percent 1 --jitter-ms "$jitter_ms" >"$work/run.log" 2>&1 &
    replay=$!
    while kill -0 "$replay" 2>/dev/null && [ "$(recorded)" -lt "$target" ]; do
        sleep 0.05
    done
    kill -KILL "$replay" 2>/dev/null || { cat "$work/run.log"; fail "it ended before it was killed"; }
    wait "$replay" 2>/dev/null || true
    replay=
    echo "killed when $(recorded) jobs were recorded"
}

for _ in 1 2 3; do
    run_and_kill $((1 + RANDOM % (events_min / 5)))
done
run | tee "$work/last.log" || fail "the last run failed"

events=$(sed -n 's/.* commits, \([0-9]*\) events .*/\1/p' "$work/last.log")
[ "$events" -gt "$events_min" ] || fail "only $events events"
[ "$(tail -n 1 "$work/last.log")" = 'tree identical' ] || fail "the tree differs"
grep -qx 'jobs whose end was recorded and that ran again: 0' "$work/last.log" || fail "jobs ran again"
grep -q '^journal: 4 runs' "$work/last.log" || fail "not four runs"

# What git says: nothing changed, nothing untracked but the mark.
export GIT_INDEX_FILE=$work/index GIT_DIR=$repo GIT_WORK_TREE=$into
git config core.bare false
git read-tree HEAD
git update-index -q --refresh || true
git diff-files --quiet || fail "git finds differences: $(git diff-files --name-only | head)"
others=$(git ls-files --others | grep -v '^\.laneway-replay/' || true)
[ -z "$others" ] || fail "git finds what it does not know: $others"
echo "git agrees: $(git ls-files | wc -l) paths"
