// What the controlling thread does while a server serves: it replaces workers.
//
// A restart, in steps:
// 1. New interpreters, one for each worker, load the code while the old ones serve.
// 2. When all of them serve, the old ones are let go: each takes no more requests, finishes those
// it
//    has, and returns from http::server::run(). One that does not in time is interrupted, then left
//    behind.
// 3. If one of the new can't load, the new ones go instead, and the log says why.
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <map>

#include "interpreter/attach.h"
#include "runtime/serving.h"

namespace allcores::runtime {

namespace {

constexpr std::chrono::milliseconds look(200);
constexpr std::chrono::seconds pause_after_failure(5);
constexpr std::chrono::milliseconds to_be_interrupted(1000);

}  // namespace

void serving::log(http::log_level level, const std::string& text) const {
    if (server_.options().log) server_.options().log(level, text);
}

// How long to wait at most until the next look; without limit where only changes matter.
serving::milliseconds serving::time_to_look() {
    const http::server_options& options = server_.options();
    const std::lock_guard lock(mutex_);
    // (Of a restart that has just failed the new workers are still there.)
    const unsigned ending = count(phase::retiring) + count(phase::returned) + count(phase::failed);
    const bool watches = options.worker_timeout_ms != 0 || options.max_requests != 0 ||
                         is_restarting_ || ending > 0 || count_live() < workers_;
    return watches ? look : milliseconds::max();
}

void serving::supervise() {
    {
        const std::lock_guard lock(mutex_);
        if (stops_ || error_) return;
    }
    std::erase_if(ends_, [](const end_of_one& each) { return each.is_over->load(); });
    for (unsigned i = 0; i < places_.size(); ++i) look_at(i);
    look_at_restart();
    bool is_short = false;
    {
        const std::lock_guard lock(mutex_);
        is_short = !is_restarting_ && count_live() < workers_ && clock::now() >= not_before_;
    }
    if (is_short) replace(nobody, losses_.empty() ? "is gone" : losses_.front());
}

// With mutex_ held: the workers that serve or will, but for those that others take over from.
unsigned serving::count_live() {
    unsigned live = 0;
    for (unsigned i = 0; i < places_.size(); ++i) {
        const phase at = places_[i].at;
        const bool will_serve = at == phase::waiting || at == phase::loading;
        if (will_serve || (at == phase::serving && successor_of(i) == nullptr)) ++live;
    }
    return live;
}

// With mutex_ held: who loads in order to take over from that one, or has loaded; null: nobody.
serving::place* serving::successor_of(unsigned index) {
    const auto found = std::ranges::find(places_, index, &place::replaces);
    return found == places_.end() ? nullptr : &*found;
}

// On a thread of its own, since it may take as long as the interpreter likes.
void serving::end_one(std::shared_ptr<interpreter::interpreter> home, milliseconds patience,
                      unsigned lost_place) {
    auto is_over = std::make_shared<std::atomic<bool>>(false);
    std::jthread thread([this, is_over, home = std::move(home), patience, lost_place] {
        const auto how = home->destroy(patience, to_be_interrupted);
        if (lost_place != nobody && how == interpreter::interpreter::ending::ended) {
            const std::lock_guard lock(mutex_);  // it has come back after all
            clear(lost_place);
        }
        is_over->store(true);
    });
    ends_.push_back({std::move(is_over), std::move(thread)});
}

void serving::look_at_restart() {
    std::unique_lock lock(mutex_);
    if (stops_) return;
    const unsigned unsettled = count(phase::retiring) + count(phase::returned) +
                               count(phase::failed) + count(phase::loading) + count(phase::waiting);
    if (wants_restart_ && !is_restarting_ && unsettled == 0) {
        wants_restart_ = false;
        lock.unlock();
        begin_restart();
        return;
    }
    if (!is_restarting_ || count(phase::loading) + count(phase::waiting) > 0) return;
    is_restarting_ = false;
    const std::string problem = failures_of_restart();
    const bool has_failed = !problem.empty();
    for (unsigned i = 0; i < places_.size(); ++i) {
        const bool is_new = places_[i].generation == generation_;
        if (places_[i].at == phase::serving && is_new == has_failed) retire(i, grace_);
    }
    if (has_failed) {
        log(http::log_level::error, problem);
    } else {
        losses_.clear();
        log(http::log_level::info, "restarted: the new workers serve");
    }
}

// With mutex_ held: what went wrong, each error once however many workers had it, which are not to
// say it again when they end; empty: nothing.
std::string serving::failures_of_restart() {
    std::map<std::string, unsigned> kinds;
    for (place& each : places_) {
        if (each.at != phase::failed || each.generation != generation_ || !each.error) continue;
        ++kinds[each.error->traceback + "allcores: the restart failed: " + each.error->message];
        each.error.reset();
    }
    std::string text;
    for (const auto& [error, times] : kinds) {
        if (!text.empty()) text += '\n';
        text += error;
        if (times > 1) text += " (in " + std::to_string(times) + " workers)";
        text += "; the old workers go on";
    }
    return text;
}

void serving::begin_restart() {
    std::vector<std::shared_ptr<interpreter::interpreter>> made;
    try {
        while (made.size() < workers_) made.push_back(make_interpreter(made_++));
    } catch (const std::exception& error) {
        log(http::log_level::error, std::string("the restart failed: ") + error.what());
        for (const auto& each : made) each->destroy(milliseconds(0));
        return;
    }
    const std::lock_guard lock(mutex_);
    if (count(phase::empty) < workers_) {
        log(http::log_level::error, "the restart failed: too many workers are stuck");
        for (auto& each : made) end_one(std::move(each), milliseconds(0), nobody);
        return;
    }
    ++generation_;
    is_restarting_ = true;
    for (unsigned i = 0; i < places_.size() && !made.empty(); ++i) {
        if (places_[i].at != phase::empty) continue;
        settle(i, std::move(made.back()), nobody);
        made.pop_back();
    }
    begin_next();
}

// With mutex_ held.
void serving::retire(unsigned index, milliseconds grace) {
    place& own = places_[index];
    if (own.at != phase::serving) return;
    own.at = phase::retiring;
    own.deadline = clock::now() + grace + look;
    server_.retire(index, grace);
}

void serving::look_at(unsigned index) {
    phase at;
    {
        const std::lock_guard lock(mutex_);
        at = places_[index].at;
    }
    if (at == phase::serving) look_at_serving(index);
    if (at == phase::returned || at == phase::failed || at == phase::retiring) look_at_ended(index);
}

void serving::look_at_ended(unsigned index) {
    std::unique_lock lock(mutex_);
    place& own = places_[index];
    if (own.at == phase::failed && is_restarting_ && own.generation == generation_) return;
    if (own.at == phase::retiring && clock::now() < own.deadline) return;
    const bool is_stuck = own.at == phase::retiring;
    // One that returned without having been asked to has died of an error of its own, which was
    // printed.
    const bool has_died = own.at == phase::returned && own.deadline == clock::time_point{} &&
                          successor_of(index) == nullptr;
    if (own.at == phase::failed) {
        if (own.error && own.generation == generation_ && count(phase::serving) > 0) {
            log(http::log_level::error,
                own.error->traceback +
                    "allcores: a new worker can't take a place: " + own.error->message);
        }
        not_before_ = clock::now() + pause_after_failure;
        if (own.is_for_failure) losses_.push_front(own.reason);
    }
    if (has_died) losses_.emplace_back("has ended by itself");
    std::shared_ptr<interpreter::interpreter> home = own.home;
    if (is_stuck) {
        own.at = phase::lost;
        own.home.reset();
    } else {
        clear(index);
    }
    lock.unlock();
    end_one(std::move(home), milliseconds(is_stuck ? 0 : 500), is_stuck ? index : nobody);
    if (has_died) {
        log(http::log_level::error, "a worker has ended by itself; a new one takes its place");
    }
}

void serving::look_at_serving(unsigned index) {
    const http::server_options& options = server_.options();
    std::shared_ptr<interpreter::interpreter> home;
    std::uint64_t served = 0;
    bool is_done = false;
    bool is_stuck = false;
    {
        const std::lock_guard lock(mutex_);
        const place& own = places_[index];
        if (place* next = successor_of(index); next != nullptr) {
            if (next->at == phase::serving) {
                next->replaces = nobody;
                retire(index, grace_);
            }
            return;
        }
        if (is_restarting_ || clock::now() < not_before_) return;
        served = server_.requests(index) - own.requests_before;
        is_done = own.requests_most != 0 && served >= own.requests_most;
        is_stuck = options.worker_timeout_ms != 0 &&
                   server_.busy_for(index) >= milliseconds(options.worker_timeout_ms);
        home = own.home;
    }
    if (is_stuck) {
        losses_.push_back("was stuck " + report_stuck(index, home));
        const std::lock_guard lock(mutex_);
        retire(index, milliseconds(0));
    } else if (is_done) {
        replace(index, "has served " + std::to_string(served) + " requests");
    }
}

// A new worker; with `index` it takes over from that one, else the place of one that is no more.
// `reason`: what became of that one, as its sentence goes on.
void serving::replace(unsigned index, std::string reason) {
    {
        const std::lock_guard lock(mutex_);
        if (count(phase::empty) == 0) {
            if (count(phase::retiring) + count(phase::returned) + count(phase::failed) == 0) {
                log(http::log_level::error, "a worker can't be replaced: too many are stuck");
                not_before_ = clock::now() + pause_after_failure;
            }
            return;  // else a place will be empty in a moment
        }
    }
    std::shared_ptr<interpreter::interpreter> home;
    try {
        home = make_interpreter(made_++);
    } catch (const std::exception& error) {
        log(http::log_level::error, std::string("a worker can't be replaced: ") + error.what());
        not_before_ = clock::now() + pause_after_failure;
        return;
    }
    const std::lock_guard lock(mutex_);
    // Other threads make places empty, but don't fill them.
    const auto empty =
        std::ranges::find_if(places_, [](const place& each) { return each.at == phase::empty; });
    const auto place_of_new = static_cast<unsigned>(empty - places_.begin());
    settle(place_of_new, std::move(home), index);
    place& own = places_[place_of_new];
    own.reason = std::move(reason);
    own.is_for_failure = index == nobody;
    if (own.is_for_failure && !losses_.empty()) losses_.pop_front();
    begin_next();
}

// Its Python stack, by a thread that visits its interpreter: code that is in Python, or in C
// without the GIL, lets it in. What it is stuck with is the result.
std::string serving::report_stuck(unsigned index, std::shared_ptr<interpreter::interpreter> home) {
    const auto seconds = std::chrono::duration<double>(server_.busy_for(index)).count();
    struct outcome {
        std::mutex mutex;
        std::condition_variable changed;
        bool is_over = false;
        std::string stack;
    };
    const auto seen = std::make_shared<outcome>();
    std::thread([seen, home] {
        std::string stack;
        try {
            const interpreter::attached visit(home);
            PyObject* module = PyImport_ImportModule("allcores._worker");
            PyObject* text =
                module == nullptr ? nullptr : PyObject_CallMethod(module, "stack", nullptr);
            const char* utf8 = text == nullptr ? nullptr : PyUnicode_AsUTF8(text);
            if (utf8 != nullptr) stack = utf8;
            PyErr_Clear();
            Py_XDECREF(text);
            Py_XDECREF(module);
        } catch (const std::exception&) {
        }
        const std::lock_guard lock(seen->mutex);
        seen->stack = stack;
        seen->is_over = true;
        seen->changed.notify_all();
    }).detach();
    std::string stack;
    {
        std::unique_lock lock(seen->mutex);
        seen->changed.wait_for(lock, milliseconds(1000), [&] { return seen->is_over; });
        stack = seen->stack;
    }
    if (stack.empty()) stack = "(its stack can't be seen: it is in C code that keeps its GIL)\n";
    char text[64];
    snprintf(text, sizeof text, "with one request for %.1f seconds", seconds);
    log(http::log_level::error,
        "a worker is stuck: " + std::string(text) + ". It is replaced. Its stack:\n" + stack);
    return text;
}

}  // namespace allcores::runtime
