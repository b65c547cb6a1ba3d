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
#include <system_error>
#include <thread>

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

}  // namespace

serving::serving(http::server_options options, std::string payload, unsigned loading)
    : server_(std::move(options)),
      payload_(std::move(payload)),
      loading_most_(std::max(1U, loading)),
      started_(clock::now()) {
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

void serving::make_interpreters(const std::string& inherited) {
    workers_.resize(server_.options().workers);
    try {
        in_parallel(workers_.size(), [&](std::size_t i) {
            workers_[i].home = interpreter::interpreter::create(
                {.name = "worker-" + std::to_string(i), .inherited = inherited});
            workers_[i].interpreter_id = workers_[i].home->id();
        });
    } catch (...) {
        for (worker_state& worker : workers_) {
            if (worker.home) worker.home->destroy(std::chrono::milliseconds(0));
        }
        workers_.clear();
        throw;
    }
}

void serving::start(const std::string& inherited) {
    make_interpreters(inherited);
    {
        server_registry& all = registry();
        const std::lock_guard lock(all.mutex);
        for (const worker_state& worker : workers_) {
            all.by_interpreter[worker.interpreter_id] = weak_from_this();
        }
        all.latest = weak_from_this();
    }
    const std::lock_guard lock(mutex_);
    begin_next();
}

// A worker that has not got its job has nothing to be interrupted: however long those before it
// load, a stop finds it idle.
void serving::begin_next() {
    while (!stops_ && !error_ && begun_ < workers_.size() && begun_ < loaded_ + loading_most_) {
        const unsigned next = begun_++;
        if (!workers_[next].home->post([self = shared_from_this(), next] { self->work(next); })) {
            stops_ = true;  // its interpreter ended meanwhile: the process does
            announce();
        }
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
            application->detach();
            has_served = loaded();
            if (has_served) server_.run(*application, index);
            application->attach();
            application->shut_down();
        }
    }
    if (!is_ready) failed(std::make_unique<data::remote_error>(data::remote_error::take()));
    Py_XDECREF(target);
    Py_XDECREF(module);
    if (has_served) returned();
}

// Whether to serve now. Detached.
bool serving::loaded() {
    bool is_last = false;
    bool serves = false;
    {
        const std::lock_guard lock(mutex_);
        is_last = ++loaded_ == workers_.size();
        serves = !stops_ && !error_;
        if (serves) ++serving_;
        begin_next();
        announce();
    }
#ifdef __GLIBC__
    // What all the workers' imports have freed goes back to the system: half a MiB for each that
    // compiled its modules, for lack of bytecode.
    if (is_last) malloc_trim(0);
#endif
    return serves;
}

void serving::failed(std::unique_ptr<data::remote_error> error) {
    const std::lock_guard lock(mutex_);
    ++loaded_;
    if (!error_) error_ = std::move(error);
    announce();
}

void serving::stop(std::chrono::milliseconds grace) {
    // What the server cuts when the grace is over takes it a moment; a worker that is in a handler
    // even then is stuck.
    constexpr std::chrono::milliseconds to_return(200);
    server_.stop(grace);
    const std::lock_guard lock(mutex_);
    stops_ = true;
    deadline_ = std::min(deadline_, clock::now() + grace + to_return);
    announce();
}

void serving::returned() {
    const std::lock_guard lock(mutex_);
    ++returned_;
    announce();
}

// With mutex_ held.
void serving::announce() {
    [[maybe_unused]] const auto written = write(wake_, "", 1);  // a full pipe wakes as well
}

// What was written is read before the caller looks for signals: a later one writes again.
bool serving::wait_until(const std::function<bool()>& condition) {
    int timeout_ms = -1;
    {
        const std::lock_guard lock(mutex_);
        if (condition()) return true;
        if (deadline_ != clock::time_point::max()) {
            const auto left =
                std::chrono::ceil<std::chrono::milliseconds>(deadline_ - clock::now());
            timeout_ms = static_cast<int>(std::clamp<long long>(left.count(), 0, 3'600'000));
        }
    }
    pollfd waiting{changes_, POLLIN, 0};
    if (poll(&waiting, 1, timeout_ms) > 0) {
        char bytes[256];
        [[maybe_unused]] const auto got = read(changes_, bytes, sizeof bytes);
    }
    const std::lock_guard lock(mutex_);
    return condition();
}

bool serving::wait_serving() {
    return wait_until([this] { return serving_ > 0 || error_ != nullptr || is_over(); });
}

bool serving::wait_returned() {
    return wait_until([this] { return is_over() || (error_ != nullptr && !stops_); });
}

const data::remote_error* serving::load_error() {
    const std::lock_guard lock(mutex_);
    return error_.get();
}

void serving::end(std::chrono::milliseconds grace) {
    // When one could not load, the others are about to say the same, or to find that out: nothing
    // to interrupt.
    std::chrono::milliseconds patience(0);
    {
        const std::lock_guard lock(mutex_);
        stops_ = true;
        if (error_ != nullptr) patience = grace;
    }
    in_parallel(workers_.size(), [&](std::size_t i) {
        if (workers_[i].home) workers_[i].home->destroy(patience, grace);
    });
    server_registry& all = registry();
    const std::lock_guard lock(all.mutex);
    for (worker_state& worker : workers_) {
        all.by_interpreter.erase(worker.interpreter_id);
        worker.home.reset();
    }
}

std::shared_ptr<serving> serving::find(std::int64_t interpreter_id) {
    server_registry& all = registry();
    const std::lock_guard lock(all.mutex);
    const auto found = all.by_interpreter.find(interpreter_id);
    if (found != all.by_interpreter.end()) return found->second.lock();
    return all.latest.lock();
}

}  // namespace allcores::runtime
