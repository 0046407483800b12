#!/bin/sh
# Repositories for git: many files, of which each commit changes a part.
set -eu
export GIT_AUTHOR_NAME=bench GIT_AUTHOR_EMAIL=bench@localhost GIT_COMMITTER_NAME=bench
export GIT_COMMITTER_EMAIL=bench@localhost GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
for commits in 2 10; do
    rm -rf "$BENCH_DIR/git-$commits"
    mkdir "$BENCH_DIR/git-$commits"
    cd "$BENCH_DIR/git-$commits"
    git init -q .
    git config gc.auto 0
    for commit in $(seq "$commits"); do
        awk -v commit="$commit" -v files=$((commits * 30)) 'BEGIN {
            for (f = commit % 3; f < files; f += 3) {
                name = sprintf("file%03d.txt", f)
                for (l = 0; l < 120; l++)
                    printf "%d: line %d of %s says %d\n", l, l, name, (l + f) % 17 == commit % 17 ? l * commit : l > name
                close(name)
            }
        }'
        git add .
        GIT_AUTHOR_DATE="@$((1700000000 + commit)) +0000" GIT_COMMITTER_DATE="@$((1700000000 + commit)) +0000" \
            git commit -q -m "commit $commit"
    done
done
