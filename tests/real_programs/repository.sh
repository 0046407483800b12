# A repository's life in the current directory: commits, branches, a merge, a
# clone, blame, repacking with threads, and the check that all of it is whole.
set -eu
export HOME="$PWD" GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=Author GIT_AUTHOR_EMAIL=author@example.org
export GIT_COMMITTER_NAME=Committer GIT_COMMITTER_EMAIL=committer@example.org
export GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z'

git -c init.defaultBranch=main init -q first
cd first
git config pack.threads 4
git config gc.auto 0
number=0
while [ $number -lt 12 ]; do
    mkdir -p "folder$((number % 3))"
    line=0
    while [ $line -lt 40 ]; do
        echo "commit $number, file $line, folder $((number % 3))" >> "folder$((number % 3))/file$line"
        line=$((line + 1))
    done
    git add .
    git commit -q -m "Commit $number"
    number=$((number + 1))
done
git checkout -q -b side HEAD~3
echo side > side
git add side
git commit -q -m 'On the side'
git checkout -q main
git merge -q -m 'Merge the side' side
git log --graph --stat --format='%H %s' | cat
git blame folder0/file3 | cat
git gc -q --aggressive --prune=now
git fsck --full --strict 2>&1
cd ..
git clone -q first second
cd second
git log -p --format='%H' | cksum
git grep -c 'commit 9' | cksum
git rev-parse HEAD
git status --short
