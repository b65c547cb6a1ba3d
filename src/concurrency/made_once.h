// Results that several threads want and one makes: the first to ask makes it, the others wait for
// that, and everybody later finds it.
//
// Made for code that all workers would compile at the same time. Any thread may call; waiting is
// bounded, because the maker may never come back (its interpreter was abandoned): then the caller
// makes its own.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace allcores::concurrency {

class made_once {
 public:
    using result = std::shared_ptr<const std::string>;

    // Keeps results of so many bytes in all; those beyond are made by each anew.
    explicit made_once(std::size_t most_bytes) : left_(most_bytes) {}

    // The result, or null: then the caller makes it and says so with put() or give_up().
    result take(const std::string& key, std::chrono::milliseconds patience) {
        const auto deadline = std::chrono::steady_clock::now() + patience;
        std::unique_lock lock(mutex_);
        for (;;) {
            entry& found = entries_[key];
            if (found.made) return found.made;
            if (!found.in_the_making) {
                found.in_the_making = true;
                return nullptr;
            }
            if (changed_.wait_until(lock, deadline) == std::cv_status::timeout) {
                return entries_[key].made;
            }
        }
    }

    void put(const std::string& key, std::string made) {
        {
            const std::lock_guard lock(mutex_);
            const std::size_t size = key.size() + made.size();
            entry& found = entries_[key];
            if (size <= left_ && !found.made) {
                left_ -= size;
                found.made = std::make_shared<const std::string>(std::move(made));
            } else if (!found.made) {
                entries_.erase(key);
            }
        }
        changed_.notify_all();
    }

    // There is no result: one of those that wait tries next.
    void give_up(const std::string& key) {
        {
            const std::lock_guard lock(mutex_);
            const auto found = entries_.find(key);
            if (found != entries_.end() && !found->second.made) entries_.erase(found);
        }
        changed_.notify_all();
    }

 private:
    struct entry {
        result made;
        bool in_the_making = false;
    };

    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::string, entry> entries_;  // guarded by mutex_
    std::size_t left_;                      // guarded by mutex_
};

}  // namespace allcores::concurrency
