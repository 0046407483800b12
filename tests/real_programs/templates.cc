// Templates that make the compiler allocate: deep recursion, long type lists,
// many instantiations; the program then uses containers of all kinds. SHORT leaves
// out the expressions, which take the compiler half of its time.
#include <algorithm>
#include <array>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <numeric>
#ifndef SHORT
#include <regex>
#endif
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

template <unsigned N> struct Sum {
    static constexpr unsigned long value = Sum<N - 1>::value + N;
};
template <> struct Sum<0> {
    static constexpr unsigned long value = 0;
};

template <std::size_t I> struct Tagged {
    std::array<int, I + 1> values{};
    int last() const { return values[I] + static_cast<int>(I); }
};

template <std::size_t... I> auto all_tagged(std::index_sequence<I...>)
{
    return std::tuple<Tagged<I>...>{};
}

template <typename Tuple, std::size_t... I> int add_up(const Tuple &tuple, std::index_sequence<I...>)
{
    return (std::get<I>(tuple).last() + ...);
}

struct Leaf {
    int value;
};
struct Fork;
using Tree = std::variant<Leaf, std::unique_ptr<Fork>>;
struct Fork {
    Tree left, right;
};

static Tree grow(int depth, int value)
{
    if (depth == 0)
        return Leaf{value};
    auto fork = std::make_unique<Fork>();
    fork->left = grow(depth - 1, value * 2);
    fork->right = grow(depth - 1, value * 2 + 1);
    return fork;
}

static long total(const Tree &tree)
{
    if (auto leaf = std::get_if<Leaf>(&tree))
        return leaf->value;
    auto &fork = std::get<std::unique_ptr<Fork>>(tree);
    return total(fork->left) + total(fork->right);
}

int main()
{
    using Indices = std::make_index_sequence<100>;
    std::cout << Sum<400>::value << ' ' << add_up(all_tagged(Indices{}), Indices{}) << '\n';

    std::map<std::string, std::vector<std::string>> words;
    for (int number = 0; number < 20000; number++)
        words[std::to_string(number % 700)].push_back(std::string(number % 90, 'x'));
    std::size_t letters = 0;
    for (auto &entry : words)
        for (auto &word : entry.second)
            letters += word.size();
    std::cout << words.size() << ' ' << letters << '\n';

    std::cout << total(grow(14, 1)) << '\n';

#ifndef SHORT
    std::regex pattern("([a-z]+)-([0-9]+)");
    std::cout << std::regex_replace(std::string("one-1 two-22 three-333"), pattern, "$2:$1") << '\n';
#endif

    std::vector<std::thread> threads;
    std::vector<long> sums(6);
    for (std::size_t at = 0; at < sums.size(); at++)
        threads.emplace_back([at, &sums] {
            std::set<long> seen;
            std::unordered_map<long, std::shared_ptr<std::string>> shared;
            for (long number = 0; number < 5000; number++) {
                seen.insert(number * 7919 % 10007);
                shared[number % 1000] = std::make_shared<std::string>(number % 50, 'y');
            }
            for (auto &entry : shared)
                sums[at] += static_cast<long>(entry.second->size());
            sums[at] += std::accumulate(seen.begin(), seen.end(), 0L);
        });
    for (auto &thread : threads)
        thread.join();
    std::cout << std::accumulate(sums.begin(), sums.end(), 0L) << '\n';

    try {
        std::vector<char> impossible;
        impossible.reserve(impossible.max_size());
    } catch (const std::bad_alloc &) {
        std::cout << "refused\n";
    }
}
