#!/bin/sh
# git: packs a repository of $1 commits from scratch, then shows its history.
git -C "$BENCH_DIR/git-$1" -c pack.threads=1 pack-objects --all --stdout --no-reuse-object -q < /dev/null > /dev/null
exec git -C "$BENCH_DIR/git-$1" --no-pager log --patch --stat -M
