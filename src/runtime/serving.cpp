#include "runtime/serving.h"

#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <exception>
#include <map>
#include <random>
#include <system_error>
#include <thread>

#include "data/guarded.h"
#include "runtime/worker_application.h"

namespace allcores::runtime {

namespace {

// Which server serves in which interpreter. Process-wide; written by start() and end() of any
// server; guarded by `mutex`. Never destroyed: workers that were left behind may still look at it
// while the process ends.
struct server_registry {
    std::mutex mutex;
    std::map<std::int64_t, std::weak_ptr<serving>> by_interpreter;
    std::weak_ptr<serving> latest;
};

server_registry& registry() {
    static auto* const instance = new server_registry;
    return *instance;
}

// Runs task(0) to task(count - 1) on a few threads; waits for all. Rethrows the first exception.
template <typename Task>
void in_parallel(std::size_t count, Task task) {
    std::atomic<std::size_t> next{0};
    std::mutex mutex;
    std::exception_ptr error;
    auto run = [&] {
        for (;;) {
            const std::size_t i = next.fetch_add(1, std::memory_order_relaxed);
            if (i >= count) return;
            try {
                task(i);
            } catch (...) {
                const std::lock_guard lock(mutex);
                if (!error) error = std::current_exception();
            }
        }
    };
    std::vector<std::jthread> threads;
    const std::size_t width = std::min<std::size_t>(count, std::thread::hardware_concurrency() + 1);
    for (std::size_t i = 1; i < width; ++i) threads.emplace_back(run);
    run();
    threads.clear();
    if (error) std::rethrow_exception(error);
}

// Its message and traceback as allcores._failures makes them for the log. Attached.
void explain(data::remote_error& error) {
    PyObject* module = PyImport_ImportModule("allcores._failures");
    PyObject* told = module == nullptr
                         ? nullptr
                         : PyObject_CallMethod(module, "explain", "sss", error.type.c_str(),
                                               error.message.c_str(), error.traceback.c_str());
    const char* message = nullptr;
    const char* traceback = nullptr;
    if (told != nullptr && PyArg_ParseTuple(told, "ss", &message, &traceback)) {
        error.message = message;
        error.traceback = traceback;
    }
    PyErr_Clear();  // then it is said as it is
    Py_XDECREF(told);
    Py_XDECREF(module);
}

http::server_options with_places(http::server_options options) {
    options.workers *= 2;
    return options;
}

}  // namespace

serving::serving(http::server_options options, std::string payload, unsigned loading)
    : server_(with_places(options)),
      payload_(std::move(payload)),
      workers_(options.workers),
      loading_most_(std::max(1U, loading)),
      started_(clock::now()),
      places_(server_.options().workers) {
    int ends[2];
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0)
        throw std::system_error(errno, std::generic_category(), "pipe");
    changes_ = ends[0];
    wake_ = ends[1];
}

serving::~serving() {
    close(changes_);
    close(wake_);
}

double serving::seconds_since_start() const {
    return std::chrono::duration<double>(clock::now() - started_).count();
}

std::shared_ptr<interpreter::interpreter> serving::make_interpreter(unsigned number) {
    return interpreter::interpreter::create(
        {.name = "worker-" + std::to_string(number), .inherited = inherited_});
}

void serving::start(const std::string& inherited) {
    inherited_ = inherited;
    std::vector<std::shared_ptr<interpreter::interpreter>> made(workers_);
    try {
        in_parallel(made.size(),
                    [&](std::size_t i) { made[i] = make_interpreter(static_cast<unsigned>(i)); });
        made_ = workers_;
    } catch (...) {
        for (const auto& each : made) {
            if (each) each->destroy(std::chrono::milliseconds(0));
        }
        throw;
    }
    {
        server_registry& all = registry();
        const std::lock_guard lock(all.mutex);
        all.latest = weak_from_this();
    }
    const std::lock_guard lock(mutex_);
    for (unsigned i = 0; i < workers_; ++i) {
        settle(i, std::move(made[i]), nobody);
        places_[i].is_first = true;
    }
    begin_next();
}

void serving::settle(unsigned index, std::shared_ptr<interpreter::interpreter> home,
                     unsigned replaces) {
    place& own = places_[index];
    own = place{};
    own.at = phase::waiting;
    own.interpreter_id = home->id();
    own.home = std::move(home);
    own.generation = generation_;
    own.replaces = replaces;
    server_registry& all = registry();
    const std::lock_guard lock(all.mutex);
    all.by_interpreter[own.interpreter_id] = weak_from_this();
}

// The place's interpreter has ended, or will without us.
void serving::clear(unsigned index) {
    place& own = places_[index];
    {
        server_registry& all = registry();
        const std::lock_guard lock(all.mutex);
        all.by_interpreter.erase(own.interpreter_id);
    }
    own = place{};
    for (place& each : places_) {
        if (each.replaces == index) each.replaces = nobody;
    }
}

unsigned serving::count(phase at) const {
    return static_cast<unsigned>(
        std::ranges::count_if(places_, [&](const place& each) { return each.at == at; }));
}

// A worker that has not got its job has nothing to be interrupted: however long those before it
// load, a stop finds it idle.
void serving::begin_next() {
    unsigned loading = count(phase::loading);
    for (unsigned i = 0; i < places_.size() && loading < loading_most_; ++i) {
        if (stops_ || error_) return;
        if (places_[i].at != phase::waiting) continue;
        if (!places_[i].home->post([self = shared_from_this(), i] { self->work(i); })) {
            stops_ = true;  // its interpreter ended meanwhile: the process does
            announce();
            return;
        }
        places_[i].at = phase::loading;
        ++loading;
    }
}

void serving::work(unsigned index) {
    bool is_ready = false;
    bool has_served = false;
    PyObject* module = PyImport_ImportModule("allcores._worker");
    PyObject* target = module == nullptr
                           ? nullptr
                           : PyObject_CallMethod(module, "load", "y#", payload_.data(),
                                                 static_cast<Py_ssize_t>(payload_.size()));
    if (target != nullptr) {
        const std::unique_ptr<worker_application> application =
            worker_application::make(target, server_.addresses().at(0));
        is_ready = application && application->is_ready();
        if (is_ready) {
            note_interface(target);
            application->detach();
            has_served = loaded(index);
            is_ready = run_and_shut_down(*application, index, has_served);
        }
    }
    if (!is_ready) {
        auto error = std::make_unique<data::remote_error>(data::remote_error::take());
        explain(*error);
        failed(index, std::move(error));
    }
    Py_XDECREF(target);
    Py_XDECREF(module);
    if (is_ready) returned(index);
}

// Detached; attached when it returns. False with an exception set: it could not serve, for lack of
// descriptors for example.
bool serving::run_and_shut_down(worker_application& application, unsigned index, bool serves) {
    std::exception_ptr failure;
    try {
        if (serves) server_.run(application, index);
    } catch (...) {
        failure = std::current_exception();
    }
    application.attach();
    application.shut_down();
    if (!failure) return true;
    try {
        std::rethrow_exception(failure);
    } catch (...) {
        data::set_python_error();
    }
    return false;
}

// Attached.
void serving::note_interface(PyObject* target) {
    PyObject* kind = PyObject_GetAttrString(target, "kind");
    const char* text = kind == nullptr ? nullptr : PyUnicode_AsUTF8(kind);
    if (text == nullptr) PyErr_Clear();
    {
        const std::lock_guard lock(mutex_);
        interface_ = text == nullptr ? "" : text;
    }
    Py_XDECREF(kind);
}

std::string serving::interface_name() {
    const std::lock_guard lock(mutex_);
    return interface_;
}

// Whether to serve now. Detached.
bool serving::loaded(unsigned index) {
    bool is_last = false;
    bool serves = false;
    std::string reason;
    bool is_for_failure = false;
    {
        const std::lock_guard lock(mutex_);
        serves = !stops_ && !error_ && places_[index].at == phase::loading;
        if (serves) {
            place& own = places_[index];
            own.at = phase::serving;
            reason = own.reason;
            is_for_failure = own.is_for_failure;
            own.requests_before = server_.requests(index);
            const http::server_options& options = server_.options();
            if (options.max_requests) {
                std::minstd_rand random(std::random_device{}());
                own.requests_most =
                    options.max_requests + random() % (options.max_requests_jitter + 1ULL);
            }
        }
        // It has started, and is to end: whoever stops the server waits for that too.
        if (!serves && places_[index].at == phase::loading) places_[index].at = phase::retiring;
        is_last = count(phase::loading) + count(phase::waiting) == 0;
        begin_next();
        announce();
    }
    if (!reason.empty()) {
        log(is_for_failure ? http::log_level::warning : http::log_level::info,
            "a new worker serves in place of one that " + reason);
    }
#ifdef __GLIBC__
    // What all the workers' imports have freed goes back to the system: half a MiB for each that
    // compiled its modules, for lack of bytecode.
    if (is_last) malloc_trim(0);
#endif
    return serves;
}

// Of the first workers, whose code nobody has run before: the server's error. None once it stops:
// then loading ends early, as it does when the process ends.
void serving::failed(unsigned index, std::unique_ptr<data::remote_error> error) {
    const std::lock_guard lock(mutex_);
    place& own = places_[index];
    if (stops_ || (own.home && !own.home->is_alive())) error.reset();
    if (!own.is_first) {
        own.error = std::move(error);
    } else if (!error_) {
        error_ = std::move(error);
    }
    if (own.at == phase::loading || own.at == phase::serving || own.at == phase::retiring) {
        own.at = phase::failed;
    }
    if (is_restarting_ && own.generation == generation_) {
        // The restart has come to nothing: those whose turn has not come need not try.
        for (place& each : places_) {
            if (each.at == phase::waiting && each.generation == generation_)
                each.at = phase::failed;
        }
    }
    begin_next();
    announce();
}

bool serving::serve_here(PyObject* loaded) {
    const std::unique_ptr<worker_application> application =
        worker_application::make(loaded, server_.addresses().at(0));
    if (!application || !application->is_ready()) return false;
    application->detach();
    return run_and_shut_down(*application, 0, true);
}

void serving::stop(milliseconds grace) {
    // What the server cuts when the grace is over takes it a moment; a worker that is in a handler
    // even then is stuck.
    constexpr milliseconds to_return(200);
    server_.stop(grace);
    const std::lock_guard lock(mutex_);
    stops_ = true;
    hurries_ = hurries_ || grace == milliseconds(0);
    deadline_ = std::min(deadline_, clock::now() + grace + to_return);
    announce();
}

void serving::restart(milliseconds grace) {
    const std::lock_guard lock(mutex_);
    wants_restart_ = true;
    grace_ = grace;
    announce();
}

void serving::returned(unsigned index) {
    const std::lock_guard lock(mutex_);
    place& own = places_[index];
    if (own.at == phase::serving || own.at == phase::retiring || own.at == phase::loading) {
        own.at = phase::returned;
    }
    announce();
}

// With mutex_ held.
void serving::announce() {
    [[maybe_unused]] const auto written = write(wake_, "", 1);  // a full pipe wakes as well
}

// An import that is interrupted in the middle may say so in many ways, and leave things half done:
// who loads comes to the end of its step (allcores._worker.load). But when one has failed to load,
// that is what everybody waits to hear.
bool serving::is_over() const {
    if (clock::now() >= deadline_) return true;
    const unsigned loading = hurries_ || error_ ? 0 : count(phase::loading);
    return stops_ && count(phase::serving) + count(phase::retiring) + loading == 0;
}

// What was written is read before the caller looks for signals: a later one writes again.
bool serving::wait_until(const std::function<bool()>& condition) {
    milliseconds timeout = time_to_look();
    {
        const std::lock_guard lock(mutex_);
        if (condition()) return true;
        if (deadline_ != clock::time_point::max()) {
            timeout = std::min(timeout, std::chrono::ceil<milliseconds>(deadline_ - clock::now()));
        }
    }
    pollfd waiting{changes_, POLLIN, 0};
    const bool limited = timeout != milliseconds::max();
    const auto timeout_ms =
        limited ? static_cast<int>(std::clamp<long long>(timeout.count(), 0, 3'600'000)) : -1;
    if (poll(&waiting, 1, timeout_ms) > 0) {
        char bytes[256];
        [[maybe_unused]] const auto got = read(changes_, bytes, sizeof bytes);
    }
    supervise();
    const std::lock_guard lock(mutex_);
    return condition();
}

bool serving::wait_serving() {
    return wait_until(
        [this] { return count(phase::serving) > 0 || error_ != nullptr || is_over(); });
}

bool serving::wait_returned() {
    return wait_until([this] { return is_over() || (error_ != nullptr && !stops_); });
}

const data::remote_error* serving::load_error() {
    const std::lock_guard lock(mutex_);
    return error_.get();
}

std::int64_t serving::interpreter_at(unsigned index) {
    const std::lock_guard lock(mutex_);
    const place& own = places_.at(index);
    const bool is_there = own.at == phase::waiting || own.at == phase::loading ||
                          own.at == phase::serving || own.at == phase::retiring;
    return is_there ? own.interpreter_id : -1;
}

void serving::end(milliseconds grace) {
    // When one could not load, the others are about to say the same, or to find that out: nothing
    // to interrupt.
    milliseconds patience(0);
    std::vector<std::shared_ptr<interpreter::interpreter>> homes;
    {
        const std::lock_guard lock(mutex_);
        stops_ = true;
        if (error_ != nullptr) patience = grace;
        for (const place& each : places_) {
            if (each.home) homes.push_back(each.home);
        }
    }
    in_parallel(homes.size(), [&](std::size_t i) { homes[i]->destroy(patience, grace); });
    ends_.clear();
    const std::lock_guard lock(mutex_);
    for (unsigned i = 0; i < places_.size(); ++i) clear(i);
}

std::shared_ptr<serving> serving::find(std::int64_t interpreter_id) {
    server_registry& all = registry();
    const std::lock_guard lock(all.mutex);
    const auto found = all.by_interpreter.find(interpreter_id);
    if (found != all.by_interpreter.end()) return found->second.lock();
    return all.latest.lock();
}

bool serving::stops_in(std::int64_t interpreter_id) {
    std::shared_ptr<serving> found;
    {
        server_registry& all = registry();
        const std::lock_guard lock(all.mutex);
        const auto entry = all.by_interpreter.find(interpreter_id);
        if (entry != all.by_interpreter.end()) found = entry->second.lock();
    }
    if (!found) return false;
    const std::lock_guard lock(found->mutex_);
    return found->stops_ || found->error_;
}

}  // namespace allcores::runtime
