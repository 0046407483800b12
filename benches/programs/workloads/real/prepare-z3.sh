#!/bin/sh
# Problems for z3, a large and a short one.
set -eu
for count in 2 7; do
    awk -v count="$count" 'BEGIN {
        print "(set-option :sat.random_seed 1)"
        print "(push)"
        for (p = 0; p < count; p++)
            for (h = 0; h < count - 1; h++)
                printf "(declare-const p%d_%d Bool)\n", p, h
        for (p = 0; p < count; p++) {
            printf "(assert (or"
            for (h = 0; h < count - 1; h++) printf " p%d_%d", p, h
            print "))"
        }
        for (h = 0; h < count - 1; h++)
            for (p = 0; p < count; p++)
                for (q = 0; q < p; q++)
                    printf "(assert (not (and p%d_%d p%d_%d)))\n", p, h, q, h
        print "(check-sat)\n(pop)\n(push)"
        print "(declare-const a (Array Int Int))"
        words = count * 6
        for (i = 0; i <= words; i++)
            printf "(declare-const x%d Int)\n(declare-const w%d (_ BitVec 16))\n", i, i
        for (i = 0; i < words; i++) {
            printf "(assert (= x%d (+ (select a x%d) (* 3 x%d) %d)))\n", i + 1, i, i, i * 7 % 13
            printf "(assert (> (select a x%d) (select a x%d)))\n", i + 1, i
            printf "(assert (= w%d (bvadd (bvmul w%d #x00%02x) (bvlshr w%d #x0003))))\n", i + 1, i, i % 90 + 11, i
        }
        printf "(assert (and (> x0 0) (< x%d 100000000)))\n(assert (bvult w%d #x1000))\n(assert (= (bvand w0 #x00ff) #x005a))\n", 12, 12
        print "(check-sat)\n(pop)"
    }' > "$BENCH_DIR/z3-$count.smt2"
done
