// Shared by those who make and delete interpreters, exclusive for a fork.
//
// Unlike std::shared_mutex: who wants it exclusively comes before new sharers and waits no longer
// than it likes, and a share may be given back by another thread than took it (that of an
// interpreter which never comes out of its deletion). Any thread, without a GIL: all block.
#pragma once
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace allcores::interpreter {

class structure_lock {
 public:
    void lock_shared() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return !exclusive_; });
        shares_++;
    }
    void unlock_shared() {
        {
            const std::lock_guard lock(mutex_);
            shares_--;
        }
        changed_.notify_all();
    }

    // New sharers wait from here to unlock(), whatever the result. False: those who share it took
    // longer than `at_most`, and still do.
    bool lock_for(std::chrono::milliseconds at_most) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return !exclusive_; });
        exclusive_ = true;
        return changed_.wait_for(lock, at_most, [&] { return shares_ == 0; });
    }
    void unlock() {
        {
            const std::lock_guard lock(mutex_);
            exclusive_ = false;
        }
        changed_.notify_all();
    }

 private:
    std::mutex mutex_;  // guards what follows
    std::condition_variable changed_;
    int shares_ = 0;
    bool exclusive_ = false;
};

}  // namespace allcores::interpreter
