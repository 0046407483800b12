// C++ containers, whose nodes come and go by new and sized delete: a cache with
// an order of use, words by name, shared records, and queues of them.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

std::uint64_t state = 79;

// xorshift64*, as in bench.h.
std::size_t below(std::size_t limit)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (state * 0x2545f4914f6cdd1dULL >> 32) * limit >> 32;
}

struct Record {
    std::string name;
    std::vector<int> values;
    std::set<std::size_t> seen;
};

using Order = std::list<std::size_t>;

struct Cached {
    std::shared_ptr<Record> record;
    Order::iterator place;
};

} // namespace

int main(int argc, char **argv)
{
    const std::size_t steps = argc > 1 ? std::strtoul(argv[1], nullptr, 0) : 400000;
    const std::size_t room = 20000;
    std::unordered_map<std::size_t, Cached> cache;
    std::map<std::string, std::shared_ptr<Record>> names;
    std::deque<std::shared_ptr<Record>> queue;
    Order order;
    std::size_t sum = 0;
    for (std::size_t step = 0; step < steps; step++) {
        const std::size_t key = below(room * 2);
        auto found = cache.find(key);
        if (found != cache.end()) {
            order.splice(order.begin(), order, found->second.place);
            found->second.record->values.push_back(static_cast<int>(step));
            found->second.record->seen.insert(step % 16);
            queue.push_back(found->second.record);
        } else {
            auto record = std::make_shared<Record>();
            record->name = "record " + std::to_string(key) + (key & 1 ? " with a longer name" : "");
            names[record->name] = record;
            order.push_front(key);
            cache.emplace(key, Cached{record, order.begin()});
        }
        if (cache.size() > room) {
            auto last = cache.find(order.back());
            sum = sum * 31 + last->second.record->values.size();
            names.erase(last->second.record->name);
            cache.erase(last);
            order.pop_back();
        }
        if (queue.size() > 3000) {
            sum = sum * 31 + queue.front()->seen.size();
            queue.pop_front();
        }
    }
    for (const auto &[name, record] : names)
        sum = sum * 31 + name.size() + record->values.size();
    std::printf("checksum %zx\n", sum);
}
