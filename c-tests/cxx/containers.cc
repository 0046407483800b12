/* The library's containers, strings, streams and shared pointers, from several
   threads; the output is the same on any allocator. */
#include <algorithm>
#include <cstdio>
#include <deque>
#include <functional>
#include <iostream>
#include <list>
#include <map>
#include <memory>
#include <memory_resource>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

static unsigned long work(unsigned seed)
{
    std::map<std::string, std::vector<int>> tree;
    std::unordered_map<int, std::shared_ptr<std::string>> table;
    std::deque<std::function<int()>> calls;
    std::list<std::set<int>> sets;
    unsigned long sum = 0;
    for (int step = 0; step < 20000; step++) {
        seed = seed * 1103515245u + 12345u;
        int value = int(seed >> 16) % 1000;
        tree["key " + std::to_string(value)].push_back(step);
        table[value] = std::make_shared<std::string>(value % 200, 'x');
        calls.push_back([value, copy = std::string(value % 50, 'y')] { return value + int(copy.size()); });
        if (step % 10 == 0)
            sets.emplace_back();
        sets.back().insert(value);
        if (calls.size() > 100) {
            sum += calls.front()();
            calls.pop_front();
        }
        if (step % 7 == 0)
            tree.erase("key " + std::to_string(value / 2));
        if (step % 1000 == 0)
            try {
                std::ostringstream text;
                text << "failed at " << step;
                throw std::runtime_error(text.str());
            } catch (const std::exception &error) {
                sum += std::string(error.what()).size();
            }
    }
    std::pmr::monotonic_buffer_resource pool;
    std::pmr::vector<std::pmr::string> pooled(&pool);
    for (const auto &[key, steps] : tree) {
        sum += key.size() + steps.size();
        pooled.emplace_back(key);
    }
    for (const auto &[value, text] : table)
        sum += value * text->size();
    struct alignas(128) Wide { char bytes[128]; };
    std::vector<Wide> wide(100);
    return sum + pooled.size() + wide.size() + sets.size();
}

int main()
{
    std::vector<unsigned long> sums(4);
    std::vector<std::thread> threads;
    for (unsigned at = 0; at < 4; at++)
        threads.emplace_back([&sums, at] { sums[at] = work(at + 1); });
    for (std::thread &thread : threads)
        thread.join();
    for (unsigned long sum : sums)
        std::cout << sum << '\n';
    return 0;
}
