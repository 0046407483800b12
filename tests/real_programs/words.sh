# Arrays, associative arrays, substitutions, patterns, a here document, pipes,
# subshells and functions that call themselves.
set -eu
declare -A seen
declare -a order
state=1
for ((count = 0; count < 8000; count++)); do
    ((state = state * 16807 % 2147483647))
    word="w$((state % 700))"
    if [[ -z ${seen[$word]+set} ]]; then order+=("$word"); fi
    seen[$word]="${seen[$word]-}$((count % 10))"
done
echo "${#seen[@]} ${order[*]:0:10}"
text=''
for word in "${order[@]}"; do text+="$word=${seen[$word]//1/one};"; done
echo "${#text} $(cksum <<< "$text")"
fibonacci() { if (($1 < 2)); then echo "$1"; else echo $(($(fibonacci $(($1 - 1))) + $(fibonacci $(($1 - 2))))); fi; }
fibonacci 9
for number in {1..30}; do echo "line $number ${text:number:20}"; done | tac | { while read -r line; do echo "${line^^}"; done; } | tail -n 3
cat << END | wc -c
${text:0:5000}
END
