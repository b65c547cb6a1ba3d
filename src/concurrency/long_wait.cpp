#include "concurrency/long_wait.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "concurrency/asleep.h"

namespace allcores::concurrency {
namespace {

using std::chrono::duration_cast;
using std::chrono::steady_clock;
using duration = steady_clock::duration;

constexpr double usual_patience = 10;
// Of the patience: when a look is confirmed, and how far looks grow apart at most (as a power of
// 2).
constexpr int confirmation = 10;
constexpr unsigned rarest = 3;

// 0: never.
duration patience() noexcept {
    static const duration set = [] {
        double seconds = usual_patience;
        if (const char* given = std::getenv("ALLCORES_DEADLOCK_SECONDS")) {
            char* end = nullptr;
            seconds = std::strtod(given, &end);
            if (end == given || !(seconds >= 0)) seconds = usual_patience;
        }
        return duration_cast<duration>(std::chrono::duration<double>(std::min(seconds, 1e8)));
    }();
    return set;
}

}  // namespace

// All that have lasted long; made anew in the child of a fork, whose threads are others.
struct long_waits {
    // What a look saw.
    struct picture {
        std::vector<std::uint64_t> waits;
        std::vector<sleeper> others;
        bool operator==(const picture&) const = default;
    };

    const pid_t process = getpid();
    std::mutex mutex;  // guards what follows, and the fields of those that are listed
    std::vector<long_wait*> listed;
    std::uint64_t ever = 0;
    picture last;
    std::vector<std::uint64_t> reported;  // the waits of the last report

    static long_waits& all() {
        static std::atomic<long_waits*> current{nullptr};
        long_waits* found = current.load();
        while (found == nullptr || found->process != getpid()) {
            auto made = std::make_unique<long_waits>();
            if (current.compare_exchange_strong(found, made.get())) found = made.release();
        }
        return *found;
    }

    // Whether all sleep; with `last`, what was seen. With the mutex held.
    bool look(bool& is_confirmed) {
        picture now;
        std::vector<pid_t> threads;
        for (const long_wait* each : listed) {
            // It has not noticed yet, and will go on.
            if (each->is_over_()) {
                last = {};
                return false;
            }
            now.waits.push_back(each->number_);
            threads.push_back(each->thread_);
        }
        std::optional<std::vector<sleeper>> others = all_asleep(threads);
        if (!others) {
            last = {};
            return false;
        }
        now.others = std::move(*others);
        is_confirmed = now == last;
        last = std::move(now);
        return true;
    }

    std::string report() const {
        const double seconds = std::chrono::duration<double>(patience()).count();
        char head[160];
        std::snprintf(head, sizeof head,
                      "allcores: deadlock: all threads have waited for %g s or longer, and none is "
                      "left that could end it\n",
                      seconds);
        std::string text = head;
        for (const long_wait* each : listed)
            text += "  thread " + std::to_string(each->thread_) + each->what_ + "\n";
        if (!last.others.empty()) {
            text += "  sleeping otherwise (idle, in a join or at a lock):";
            for (const sleeper& each : last.others) text += " " + std::to_string(each.thread);
            text += "\n";
        }
        return text;
    }
};

long_wait::time_point long_wait::after_patience(time_point now) noexcept {
    return patience() == duration::zero() ? time_point::max() : now + patience();
}

void long_wait::list(std::string what, std::function<bool()> is_over) noexcept {
    try {
        long_waits& all = long_waits::all();
        const std::lock_guard lock(all.mutex);
        what_ = std::move(what);
        is_over_ = std::move(is_over);
        thread_ = gettid();
        number_ = ++all.ever;
        all.listed.push_back(this);
        is_listed_ = true;
    } catch (const std::bad_alloc&) {
        next_look_ = time_point::max();
    }
}

void long_wait::leave() noexcept {
    long_waits& all = long_waits::all();
    const std::lock_guard lock(all.mutex);
    std::erase(all.listed, this);
}

void long_wait::look() noexcept {
    std::string text;
    try {
        long_waits& all = long_waits::all();
        const std::lock_guard lock(all.mutex);
        bool is_confirmed = false;
        const bool all_sleep = all.look(is_confirmed);
        if (is_confirmed && !std::ranges::includes(all.reported, all.last.waits)) {
            text = all.report();
            all.reported = all.last.waits;
        }
        confirms_ = all_sleep && !is_confirmed && !confirms_;
    } catch (const std::bad_alloc&) {
        confirms_ = false;
    }
    // Soon again to confirm it; else ever more rarely, as many may wait for long and in good order.
    // Of those in a deadlock, the last one that came looks soon.
    if (!confirms_) rarer_ = std::min(rarer_ + 1, rarest);
    next_look_ =
        steady_clock::now() + (confirms_ ? patience() / confirmation : patience() * (1 << rarer_));
    if (!text.empty()) static_cast<void>(::write(STDERR_FILENO, text.data(), text.size()) < 0);
}

}  // namespace allcores::concurrency
