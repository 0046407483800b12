// Many instances of many templates: containers of containers, tuples, variants,
// functions of functions. COUNT is how many groups of them.
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

template <int N> struct Tag {
    int value = N;
    bool operator<(const Tag &other) const { return value < other.value; }
};

template <int... Is> auto tuple_of(std::integer_sequence<int, Is...>)
{
    return std::make_tuple(Tag<Is>{}...);
}

template <typename Tuple, std::size_t... Is> int total(const Tuple &tuple, std::index_sequence<Is...>)
{
    return (std::get<Is>(tuple).value + ... + 0);
}

template <int N> struct Group {
    using Key = std::pair<Tag<N>, std::string>;
    using Value = std::variant<int, Tag<N>, std::vector<Tag<N>>, std::shared_ptr<Tag<N>>>;
    std::map<Key, std::vector<Value>> ordered;
    std::function<int(const Value &)> weigh;

    int run(int seed)
    {
        weigh = [seed](const Value &value) {
            return std::visit([seed](const auto &held) { return static_cast<int>(sizeof held) + seed; }, value);
        };
        for (int i = 0; i < seed; i++)
            ordered[Key{Tag<N>{i}, std::to_string(i)}].emplace_back(std::make_shared<Tag<N>>());
        int sum = 0;
        for (auto &[key, values] : ordered) {
            std::sort(values.begin(), values.end(), [](const Value &a, const Value &b) { return a.index() < b.index(); });
            for (const Value &value : values)
                sum += weigh(value);
        }
        auto tuple = tuple_of(std::make_integer_sequence<int, N % 24 + 8>{});
        return sum + total(tuple, std::make_index_sequence<std::tuple_size_v<decltype(tuple)>>{});
    }
};

template <int N> int all(int seed)
{
    if constexpr (N == 0)
        return seed;
    else
        return Group<N>{}.run(seed) + all<N - 1>(seed);
}

int main(int count, char **) { return all<COUNT>(count) & 1; }
