// What an application may ask of the worker that serves it: to keep a request for later, and, when
// it has a loop of its own, to serve for a while. Used on the worker's thread only.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "http/exchange.h"

namespace allcores::http {

class port {
 public:
    // Inside handle(): its request is answered through the exchange, and `response` is not looked
    // at. Always the same one for a request.
    virtual exchange& hold() = 0;

    // Inside handle(), not after hold(): `response` is whole and is sent now, where it would be
    // after handle(): for an application that has more to do which its client need not wait for.
    // The body need not stay any longer.
    virtual void answer() = 0;

    enum class [[nodiscard]] turned {
        loop,     // the application's loop has something to do
        timeout,  // nothing came for that long
        ended,    // the server is done: return from drive()
    };

    // For drive(), entered: serves what comes until application::wants_turn_over() or
    // `loop_descriptor` is ready, at most that long (nanoseconds; negative: without limit).
    virtual turned turn(std::int64_t timeout_ns, int loop_descriptor) = 0;

    // The same for a loop that waits by itself: look(), entered, serves what is there, without a
    // wait, and is to be called again whenever one of the descriptors is readable. All workers of
    // the server must be on duty then (server_options::on_duty): nobody knows when such a loop is
    // held up by something else, so that another could take its place.
    virtual turned look() = 0;
    virtual std::array<int, 3> descriptors() = 0;
    // After look(), once the loop has done what that made it do: until then the worker counts as
    // busy for whoever asks for how long it has been.
    virtual void rest() = 0;

    // Whether the server takes no more connections; any thread.
    virtual bool drains() const = 0;

 protected:
    ~port() = default;
};

}  // namespace allcores::http
