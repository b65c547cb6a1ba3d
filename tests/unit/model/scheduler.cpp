#include "scheduler.h"

#include <cstdlib>
#include <map>
#include <utility>

#include "decisions.h"
#include "fiber.h"
#include "story.h"

namespace model {

struct failed_afterwards {};

class scheduler {
 public:
    scheduler(options how, faults seeded)
        : how_(how), seeded_(seeded), decisions_(how.preemptions, how.random_runs, how.changes) {}

    result explore(const std::function<void(execution&)>& scenario) {
        result found;
        do {
            run(scenario);
            ++found.runs;
            if (!failure_.empty()) {
                found.failed = true;
                found.what = failure_ + "\n" + told_.text() + waiting_;
                return found;
            }
            if (found.runs == how_.most_runs) return found;
        } while (decisions_.next());
        found.complete = how_.random_runs == 0;
        return found;
    }

    bool in_thread() const { return current_ != nullptr; }
    const faults& seeded() const { return seeded_; }
    bool spins() const { return how_.spins; }

    void before(const char* what, const void* object) {
        go_on(false);
        told_.add(current_->number, what, object);
    }

    void saw(std::uint64_t value) { told_.saw(value); }

    void wait_for(const bool* is_free) {
        if (*is_free) return;
        current_->waits_for = is_free;
        go_on(false);
        current_->waits_for = nullptr;
    }

    bool sleep(const void* word, bool has_limit) {
        current_->sleeps_on = word;
        current_->has_limit = has_limit;
        go_on(false);
        const bool was_woken = current_->sleeps_on == nullptr;
        current_->sleeps_on = nullptr;
        // Far enough for any time limit of the tests.
        if (!was_woken) clock_ += 1'000'000;
        told_.add(current_->number, was_woken ? "was woken" : "time is over", word);
        return was_woken;
    }

    void wake(const void* word) {
        for (const auto& each : threads_) {
            if (each->sleeps_on != word) continue;
            each->sleeps_on = nullptr;
            return;
        }
    }

    void yield() {
        told_.add(current_->number, "yield");
        decisions_.yielded(current_->number);
        yields_ = true;
        go_on(false);
    }

    std::size_t choose(std::size_t count) {
        const std::size_t chosen = decisions_.choose(count);
        told_.add(current_->number, "chose");
        told_.saw(chosen);
        return chosen;
    }

    std::int64_t now() { return clock_ += 5; }

    [[noreturn]] void fail(const char* what) {
        if (failure_.empty()) failure_ = what;
        // What is checked afterwards has its search to tell.
        if (current_ == nullptr) throw failed_afterwards();
        current_->strand.switch_to(main_, true);
        std::abort();  // nobody comes back here
    }

    std::shared_ptr<void>& own(std::type_index of) {
        return in_thread() ? current_->owned[of] : owned_outside_[of];
    }

    static scheduler* active;

 private:
    struct thread {
        unsigned number = 0;
        fiber strand;
        bool has_ended = false;
        bool has_limit = false;
        const bool* waits_for = nullptr;
        const void* sleeps_on = nullptr;
        std::uint64_t others_since_yield = 0;  // those that ran since, a bit each
        std::map<std::type_index, std::shared_ptr<void>> owned;

        bool can_go_on() const {
            return !has_ended && sleeps_on == nullptr && (waits_for == nullptr || *waits_for);
        }
    };

    void run(const std::function<void(execution&)>& scenario) {
        told_.begin();
        clock_ = 0;
        decisions_.begin();
        execution made;
        scenario(made);
        for (std::size_t i = 0; i < made.threads_.size(); ++i) {
            if (i == threads_.size()) threads_.push_back(std::make_unique<thread>());
            thread& each = *threads_[i];
            each.number = static_cast<unsigned>(i);
            each.has_ended = each.has_limit = false;
            each.others_since_yield = 0;
            each.waits_for = nullptr;
            each.sleeps_on = nullptr;
            each.strand.start(
                [this, &each, body = std::move(made.threads_[i])] {
                    body();
                    each.owned.clear();
                    each.has_ended = true;
                    go_on(true);
                },
                main_);
        }
        current_ = nullptr;
        go_on(false);
        current_ = nullptr;
        if (!failure_.empty()) {
            // They stay in the middle of what they did, with all that they hold.
            static std::vector<std::vector<std::unique_ptr<thread>>> kept;
            kept.push_back(std::move(threads_));
            threads_.clear();
            return;
        }
        try {
            if (made.afterwards_) made.afterwards_();
        } catch (const failed_afterwards&) {
            return;
        }
        owned_outside_.clear();
    }

    // Decides who goes on, and returns when the current one does; never after it has ended. Called
    // without a current one, returns when the execution is over.
    void go_on(bool ended) {
        thread* next = nullptr;
        if (told_.length() > how_.most_steps) {
            failure_ = "there is no end in sight";
        } else {
            next = decide();
        }
        if (next == current_ && next != nullptr) return;
        fiber& here = current_ == nullptr ? main_ : current_->strand;
        current_ = next;
        here.switch_to(next == nullptr ? main_ : next->strand, ended);
    }

    // Null: all have ended, or nobody can go on.
    thread* decide() {
        moves_.clear();
        bool is_over = true;
        std::uint64_t able = 0;  // others than the current one
        for (const auto& each : threads_) {
            is_over = is_over && each->has_ended;
            if (each.get() != current_ && each->can_go_on()) able |= bit(*each);
        }
        if (is_over) return nullptr;
        bool goes_on = current_ != nullptr && current_->can_go_on();
        if (std::exchange(yields_, false) && able != 0) {
            // All others get their turn, whatever is tried, or two that wait for a third could
            // wait for ever.
            goes_on = false;
            if ((able & ~current_->others_since_yield) != 0) able &= ~current_->others_since_yield;
            current_->others_since_yield = 0;
        }
        if (goes_on) moves_.push_back({current_->number});
        for (const auto& each : threads_) {
            if ((able & bit(*each)) != 0) moves_.push_back({each->number, goes_on});
        }
        for (const auto& each : threads_) {
            if (each->sleeps_on == nullptr || !each->has_limit) continue;
            moves_.push_back({each->number, !moves_.empty(), true});
        }
        if (moves_.empty()) {
            failure_ = "everybody waits";
            for (const auto& each : threads_) {
                if (each->has_ended) continue;
                waiting_ += "  thread " + std::to_string(each->number) +
                            (each->waits_for != nullptr ? " waits for a lock\n" : " sleeps\n");
            }
            return nullptr;
        }
        thread* next = threads_[moves_[decisions_.pick(moves_)].thread].get();
        for (const auto& each : threads_) each->others_since_yield |= bit(*next);
        return next;
    }

    static std::uint64_t bit(const thread& which) { return std::uint64_t{1} << which.number; }

    const options how_;
    const faults seeded_;
    decisions decisions_;
    std::vector<std::unique_ptr<thread>> threads_;
    fiber main_;
    thread* current_ = nullptr;
    std::map<std::type_index, std::shared_ptr<void>> owned_outside_;
    std::vector<move> moves_;
    story told_;
    std::string failure_;
    std::string waiting_;
    bool yields_ = false;
    std::int64_t clock_ = 0;
};

scheduler* scheduler::active = nullptr;

result explore(const std::function<void(execution&)>& scenario, const options& how,
               const faults& seeded) {
    scheduler made(how, seeded);
    scheduler::active = &made;
    result found = made.explore(scenario);
    scheduler::active = nullptr;
    return found;
}

void check(bool is_right, const char* what) {
    if (!is_right) operation::fail(what);
}

namespace operation {
namespace {

scheduler* in_thread() {
    return scheduler::active != nullptr && scheduler::active->in_thread() ? scheduler::active
                                                                          : nullptr;
}

}  // namespace

void before(const char* what, const void* object) {
    if (scheduler* here = in_thread()) here->before(what, object);
}

void saw(std::uint64_t value) {
    if (scheduler* here = in_thread()) here->saw(value);
}

void wait_for(const bool* is_free) {
    if (scheduler* here = in_thread()) here->wait_for(is_free);
}

bool sleep(const void* word, bool has_limit) {
    scheduler* here = in_thread();
    return here == nullptr || here->sleep(word, has_limit);
}

void wake(const void* word) {
    if (scheduler* here = in_thread()) here->wake(word);
}

void yield() {
    if (scheduler* here = in_thread()) here->yield();
}

std::size_t choose(std::size_t count) {
    scheduler* here = in_thread();
    return here == nullptr ? 0 : here->choose(count);
}

std::int64_t now() {
    return scheduler::active->now();
}

bool spins() {
    return scheduler::active->spins();
}

const faults& seeded() {
    return scheduler::active->seeded();
}

void fail(const char* what) {
    scheduler::active->fail(what);
}

std::shared_ptr<void>& own(std::type_index of) {
    return scheduler::active->own(of);
}

}  // namespace operation
}  // namespace model
