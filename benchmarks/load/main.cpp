// The load generator of the HTTP benchmarks: one thread that loads a server and prints what it
// found as JSON.
//
//   load closed --port N [--connections 64] [--depth 1] [--seconds 3] [--path /] [--body TEXT]
//   load upload --port N [--size BYTES] [--connections 64] [--seconds 3] [--path /] [--body TEXT]
//   load websocket --port N [--size BYTES] [--connections 64] [--seconds 3] [--path /]
//   load open   --port N [--rate 800] [--slow-share 0.05] [--slow-path /slow] [--slow-body TEXT]
//   ...
//
// All: --host A, --real-time 1 (SCHED_FIFO, so that it runs the moment it has to), --wait 1 (print
// "ready" when all connections stand, and start when a line comes on standard input). Latencies are
// in microseconds.
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <exception>
#include <stdexcept>

#include "run.h"

namespace allcores::load {

namespace {

bool wait_for_line = false;

void ready() {
    if (!wait_for_line) return;
    puts("ready");
    fflush(stdout);
    char line[64];
    if (!fgets(line, sizeof line, stdin)) throw std::runtime_error("nobody said when to start");
}

options parse(int count, char** words) {
    options chosen;
    for (int i = 2; i < count; i += 2) {
        const std::string_view name = words[i];
        if (i + 1 >= count)
            throw std::invalid_argument("a value is missing after " + std::string(name));
        const char* value = words[i + 1];
        if (name == "--host")
            chosen.server.host = value;
        else if (name == "--port")
            chosen.server.port = atoi(value);
        else if (name == "--connections")
            chosen.connections = atoi(value);
        else if (name == "--seconds")
            chosen.seconds = atof(value);
        else if (name == "--path")
            chosen.path = value;
        else if (name == "--body")
            chosen.body = value;
        else if (name == "--depth")
            chosen.depth = atoi(value);
        else if (name == "--size")
            chosen.size = strtoull(value, nullptr, 10);
        else if (name == "--rate")
            chosen.rate = atof(value);
        else if (name == "--slow-share")
            chosen.slow_share = atof(value);
        else if (name == "--slow-path")
            chosen.slow_path = value;
        else if (name == "--slow-body")
            chosen.slow_body = value;
        else if (name == "--warm-up")
            chosen.warm_up = atof(value);
        else if (name == "--seed")
            chosen.seed = strtoull(value, nullptr, 10);
        else if (name == "--real-time")
            chosen.real_time = atoi(value) != 0;
        else if (name == "--wait")
            wait_for_line = atoi(value) != 0;
        else
            throw std::invalid_argument("no such option: " + std::string(name));
    }
    if (chosen.server.port <= 0 || chosen.connections <= 0 || chosen.depth <= 0 || chosen.rate <= 0)
        throw std::invalid_argument("--port, --connections, --depth and --rate must be positive");
    return chosen;
}

void print(const char* name, const histogram& values) {
    printf(
        "\"%s\": {\"count\": %lu, \"mean\": %.1f, \"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, "
        "\"p999\": %.1f, \"max\": %.1f}, ",
        name, values.count(), values.mean() / 1e3, double(values.quantile(.5)) / 1e3,
        double(values.quantile(.9)) / 1e3, double(values.quantile(.99)) / 1e3,
        double(values.quantile(.999)) / 1e3, double(values.largest()) / 1e3);
}

double cpu_seconds() {
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

void report(const outcome& found, bool real_time) {
    printf("{\"answered\": %lu, \"in_time\": %lu, \"seconds\": %.3f, \"rate\": %.1f, ",
           found.answered, found.in_time, found.seconds, double(found.in_time) / found.seconds);
    print("cheap", found.cheap);
    print("slow", found.slow);
    print("late", found.late);
    printf("\"most_queued\": %lu, \"reopened\": %lu, ", found.most_queued, found.reopened);
    printf(
        "\"errors\": {\"status\": %lu, \"body\": %lu, \"malformed\": %lu, \"closed\": %lu, "
        "\"unanswered\": %lu}, \"error_count\": %lu, ",
        found.errors.status, found.errors.body, found.errors.malformed, found.errors.closed,
        found.errors.unanswered, found.errors.total());
    printf("\"real_time\": %s, \"generator_cpu\": %.3f}\n", real_time ? "true" : "false",
           cpu_seconds());
}

int main_guarded(int count, char** words) {
    const std::string_view kind = count > 1 ? words[1] : "";
    void (*run)(const options&, outcome&, void (*)()) = nullptr;
    if (kind == "closed") run = run_closed;
    if (kind == "open") run = run_open;
    if (kind == "upload") run = run_upload;
    if (kind == "websocket") run = run_websocket;
    if (!run)
        throw std::invalid_argument("usage: load closed|open|upload|websocket --port N [options]");
    const options chosen = parse(count, words);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_TIMERSLACK, 1UL);
    sched_param parameters{.sched_priority = 10};
    const bool real_time =
        chosen.real_time &&
        sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &parameters) == 0;
    static outcome found;
    run(chosen, found, ready);
    report(found, real_time);
    return 0;
}

}  // namespace

}  // namespace allcores::load

int main(int count, char** words) {
    try {
        return allcores::load::main_guarded(count, words);
    } catch (const std::exception& error) {
        fprintf(stderr, "load: %s\n", error.what());
        return 1;
    }
}
