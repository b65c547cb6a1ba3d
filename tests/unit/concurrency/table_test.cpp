#include <map>
#include <random>
#include <thread>
#include <vector>

#include "tables.h"

namespace allcores::concurrency {
namespace {

// As CPython's: hash(bytes(range(n))) with PYTHONHASHSEED=0, which makes its secret 0.
TEST(KeyHash, IsSipHash13) {
    const std::pair<int, std::uint64_t> known[] = {{1, 0x68a914128e01e473},
                                                   {7, 0x2f098ab0c751325a},
                                                   {8, 0xead411e67ebe2eea},
                                                   {15, 0xf30eb725bb91c9ea},
                                                   {33, 0x7fb71d24dfa4c9f6}};
    for (const auto& [size, hash] : known) {
        std::string input;
        for (int i = 0; i < size; ++i) input.push_back(static_cast<char>(i));
        EXPECT_EQ(key_hash(input, 0, 0), hash) << size;
    }
}

TEST(KeyHash, IsTheSameInTheWholeProcess) {
    EXPECT_EQ(key_hash("a key"), key_hash(std::string("a ") + "key"));
    EXPECT_NE(key_hash("a key"), key_hash("a kez"));
    EXPECT_NE(key_hash(std::string(8, '\0')), key_hash(std::string(9, '\0')));
}

TEST_F(Table, OneKeyAfterTheOther) {
    table one;
    EXPECT_EQ(got(one, "a"), -1);
    put(one, "a", 1);
    put(one, "b", 2);
    EXPECT_EQ(got(one, "a"), 1);
    put(one, "a", 3);
    EXPECT_EQ(got(one, "a"), 3);
    EXPECT_EQ(one.size(), 2u);
    EXPECT_EQ(one.remove(table_key("a"))->value().number, 3);
    EXPECT_FALSE(one.remove(table_key("a")));
    EXPECT_EQ(got(one, "a"), -1);
    EXPECT_EQ(got(one, "b"), 2);
    const table_statistics counted = one.statistics();
    EXPECT_EQ(counted.hits, 3u);
    EXPECT_EQ(counted.misses, 2u);
    EXPECT_EQ(counted.entries, 1u);
    EXPECT_GT(counted.bytes, 100u);
}

TEST_F(Table, AnyBytesAreAKey) {
    table one;
    for (int size = 0; size < 300; ++size)
        put(one, std::string(static_cast<std::size_t>(size), '\0'), size);
    for (int size = 0; size < 300; ++size)
        EXPECT_EQ(got(one, std::string(static_cast<std::size_t>(size), '\0')), size);
}

// The same as a std::map, whatever is done; small tables, so that removals move others up.
TEST_F(Table, AsAMap) {
    for (const std::size_t most : {table::unbounded, std::size_t{100'000}}) {
        table one(most);
        std::map<std::string, int> model;
        std::mt19937 random(7);
        for (int i = 0; i < 60'000; ++i) {
            const std::string key = std::to_string(random() % (i % 3000 < 1500 ? 40 : 2000));
            switch (random() % 6) {
                case 0:
                case 1:
                    put(one, key, i);
                    model[key] = i;
                    break;
                case 2: {
                    const table::held gone = one.remove(table_key(key));
                    ASSERT_EQ(static_cast<bool>(gone), model.erase(key) == 1);
                    break;
                }
                case 3: {
                    const table::held there = one.add(one.make(table_key(key), counted_value(i)));
                    ASSERT_EQ(static_cast<bool>(there), model.contains(key));
                    model.try_emplace(key, i);
                    break;
                }
                case 4: {
                    const table::held seen = one.peek(table_key(key));
                    ASSERT_EQ(static_cast<bool>(seen), model.contains(key));
                    if (!seen) break;
                    ASSERT_TRUE(one.replace(seen, one.make(table_key(key), counted_value(-i))));
                    ASSERT_FALSE(one.replace(seen, one.make(table_key(key), counted_value(0))));
                    model[key] = -i;
                    break;
                }
                default: {
                    const auto found = model.find(key);
                    ASSERT_EQ(got(one, key), found == model.end() ? -1 : found->second);
                }
            }
            ASSERT_EQ(one.size(), model.size());
        }
        std::map<std::string, int> left;
        for (const table::held& each : one.snapshot())
            left.emplace(each->key(), each->value().number);
        EXPECT_EQ(left, model);
        while (const table::held gone = one.remove_any())
            EXPECT_EQ(model.erase(std::string(gone->key())), 1u);
        EXPECT_TRUE(model.empty());
        EXPECT_EQ(one.statistics().entries, 0u);
    }
}

TEST_F(Table, AnEntryThatIsHeldStays) {
    table::held seen;
    {
        table one;
        put(one, "a", 1);
        seen = one.get(table_key("a"));
        put(one, "a", 2);
        const std::vector<table::held> all = one.snapshot();
        one.clear();
        EXPECT_EQ(one.size(), 0u);
        EXPECT_EQ(all.at(0)->value().number, 2);
        EXPECT_FALSE(one.replace(seen, one.make(table_key("a"), counted_value(3))));
        put(one, "b", 4);
    }
    EXPECT_EQ(seen->value().number, 1);
    EXPECT_EQ(seen->key(), "a");
    EXPECT_EQ(counted_value::alive, 1);
}

TEST_F(Table, TheLeastRecentlyUsedGoes) {
    table one(3);
    for (const char* key : {"a", "b", "c"}) put(one, key, 1);
    EXPECT_EQ(got(one, "a"), 1);
    EXPECT_EQ(peeked(one, "b"), 1);  // is no use
    put(one, "d", 1);
    EXPECT_EQ(peeked(one, "b"), -1);
    put(one, "c", 2);
    put(one, "e", 1);
    EXPECT_EQ(peeked(one, "a"), -1);
    EXPECT_EQ(one.size(), 3u);
    EXPECT_EQ(one.statistics().evictions, 2u);
    EXPECT_EQ(one.remove_any()->key(), "d");
    put(one, "f", 1);
    EXPECT_EQ(peeked(one, "c"), 2);
    table least(1);
    put(least, "a", 1);
    put(least, "b", 2);
    EXPECT_EQ(got(least, "a"), -1);
    EXPECT_EQ(got(least, "b"), 2);
}

TEST_F(Table, ALargeOneIsNeverLargerThanItMayBe) {
    constexpr std::size_t most = 20'000;
    table one(most);
    for (int i = 0; i < 60'000; ++i) {
        put(one, std::to_string(i), i);
        ASSERT_LE(one.size(), most);
    }
    EXPECT_EQ(one.size(), most);
    EXPECT_EQ(one.statistics().evictions, 40'000u);
    // About the last 20,000: each shard had its own last ones.
    int recent = 0;
    for (int i = 50'000; i < 60'000; ++i) recent += got(one, std::to_string(i)) == i ? 1 : 0;
    EXPECT_GT(recent, 9'900);
}

TEST_F(Table, EntriesExpire) {
    table one(table::unbounded, seconds(10));
    put(one, "a", 1);
    put(one, "b", 2, seconds(30));
    put(one, "c", 3, never);
    one.advance(seconds(9));
    EXPECT_EQ(got(one, "a"), 1);  // does not make it live longer
    one.advance(seconds(2));
    EXPECT_EQ(got(one, "a"), -1);
    EXPECT_EQ(got(one, "b"), 2);
    const table::held seen = one.peek(table_key("b"));
    one.advance(seconds(30));
    EXPECT_FALSE(one.replace(seen, one.make(table_key("b"), counted_value(4))));
    EXPECT_FALSE(one.remove(table_key("b")));
    EXPECT_FALSE(one.add(one.make(table_key("b"), counted_value(5))));
    EXPECT_EQ(got(one, "b"), 5);
    one.advance(seconds(11));
    EXPECT_EQ(one.snapshot().size(), 1u);
    EXPECT_EQ(one.remove_any()->key(), "c");
    EXPECT_FALSE(one.remove_any());
    EXPECT_EQ(one.statistics().expirations, 3u);
}

TEST_F(Table, WhatNobodyAsksForGoesAsOthersCome) {
    table one(table::unbounded, seconds(1));
    for (int i = 0; i < 5000; ++i) put(one, "old " + std::to_string(i), i);
    one.advance(seconds(2));
    for (int i = 0; i < 20'000; ++i) put(one, "new", i);
    EXPECT_EQ(one.size(), 5000u - one.statistics().expirations + 1);
    for (int i = 0; i < 20'000; ++i) put(one, "new " + std::to_string(i), i);
    EXPECT_EQ(one.statistics().expirations, 5000u);
}

TEST_F(Table, ManyThreads) {
    constexpr int threads_count = 4, rounds = 20'000;
    for (const std::size_t most : {table::unbounded, std::size_t{50}}) {
        table one(most, seconds(1000));
        std::atomic<int> added = 0, removed = 0;
        {
            std::vector<std::jthread> threads;
            threads.reserve(threads_count);
            for (int i = 0; i < threads_count; ++i) {
                threads.emplace_back([&, i] {
                    std::mt19937 random(static_cast<unsigned>(i));
                    for (int round = 0; round < rounds; ++round) {
                        const int number = static_cast<int>(random() % 200);
                        const std::string key = std::to_string(number);
                        const auto what = random() % 8;
                        if (what < 4) {
                            const int found = got(one, key);
                            EXPECT_TRUE(found == -1 || found == number);
                        } else if (what < 6) {
                            if (!one.add(one.make(table_key(key), counted_value(number)))) ++added;
                        } else if (what < 7) {
                            if (one.remove(table_key(key))) ++removed;
                        } else if (round % 500 == 0) {
                            for (const table::held& each : one.snapshot())
                                EXPECT_EQ(each->key(), std::to_string(each->value().number));
                        }
                    }
                });
            }
        }
        const table_statistics counted = one.statistics();
        EXPECT_EQ(counted.entries, static_cast<std::size_t>(added - removed) - counted.evictions);
        EXPECT_EQ(one.size(), counted.entries);
        EXPECT_LE(one.size(), most);
        EXPECT_EQ(counted_value::alive, static_cast<int>(one.size()));
    }
}

TEST_F(Table, EveryReplacementCounts) {
    table one;
    put(one, "sum", 0);
    constexpr int threads_count = 4, rounds = 5000;
    {
        std::vector<std::jthread> threads;
        threads.reserve(threads_count);
        for (int i = 0; i < threads_count; ++i) {
            threads.emplace_back([&] {
                for (int round = 0; round < rounds;) {
                    const table_key key("sum");
                    const table::held seen = one.peek(key);
                    const int next = seen->value().number + 1;
                    if (one.replace(seen, one.make(key, counted_value(next)))) ++round;
                }
            });
        }
    }
    EXPECT_EQ(got(one, "sum"), threads_count * rounds);
}

// Two keys are written one after the other: of one moment, the second is never ahead of the first.
TEST_F(Table, ASnapshotIsOfOneMoment) {
    table one;
    put(one, "first", 0);
    put(one, "second", 0);
    std::atomic<bool> done = false;
    std::jthread writing([&] {
        for (int i = 1; i < 20'000; ++i) {
            put(one, "first", i);
            put(one, "second", i);
        }
        done = true;
    });
    while (!done) {
        int first = -1, second = -1;
        for (const table::held& each : one.snapshot())
            (each->key() == "first" ? first : second) = each->value().number;
        ASSERT_GE(first, second);
        ASSERT_LE(first - second, 1);
    }
}

// Whoever has to wait for a lock is told so, after it has let go of the lock at the latest.
TEST(PatientLock, SaysThatItWaits) {
    std::mutex mutex;
    counted_wait::waits = 0;
    {
        const patient_lock<counted_wait> free(mutex);
    }
    EXPECT_EQ(counted_wait::waits, 0);
    std::unique_lock taken(mutex);
    std::jthread waiting([&] { const patient_lock<counted_wait> lock(mutex); });
    while (counted_wait::waits == 0) std::this_thread::yield();
    taken.unlock();
    waiting.join();
    EXPECT_EQ(counted_wait::waits, 1);
}

}  // namespace
}  // namespace allcores::concurrency
