// A listening socket: of TCP, a unix socket with its file, or one that somebody else has made.
// accept() may be called by several threads at once; close_to_clients() by any.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "net/address.h"
#include "net/descriptor.h"

namespace allcores::net {

enum class [[nodiscard]] accepted {
    connection,  // non-blocking, close-on-exec, without Nagle's delay
    none,        // nobody waits (or the listener is closed to clients)
    again,       // that one was gone already; there may be more
    exhausted,   // no descriptors or memory: those who wait can't be had now
};

class listener {
 public:
    // Throws std::system_error whose text names the address.
    listener(const address& where, int backlog);

    // A unix socket with the file's permissions. A file that a server has left behind is replaced;
    // EADDRINUSE when somebody listens there, EEXIST when it is no socket. The file goes with
    // close_to_clients() or the listener, unless another has taken its place.
    static listener at_path(const std::string& path, mode_t permissions, int backlog);

    // A bound or listening stream socket that another program has opened, as systemd does; the
    // number stays its owner's. It is not shut down for clients at the end: whoever has it still,
    // or gets it next, finds those who wait. ENOTSOCK and others for what is none.
    static listener adopt(int number, int backlog);

    int get() const { return socket_.get(); }
    const address& where() const { return where_; }

    accepted accept(descriptor& connection, address& from) noexcept;

    // From now on connecting is refused; those not yet accepted are reset (of an adopted one: left
    // to others). The descriptor stays open, because another thread may be inside accept() with its
    // number.
    void close_to_clients() noexcept;

 private:
    listener() = default;
    struct file;  // of a unix socket; removes it

    descriptor socket_;
    address where_;
    bool is_adopted_ = false;
    // Of an adopted one: written by close_to_clients(), read by accept(); late is soon enough.
    std::unique_ptr<std::atomic<bool>> closed_ = std::make_unique<std::atomic<bool>>(false);
    std::shared_ptr<file> file_;
};

// One for each address of the hosts; an address that several of them have counts once. When a host
// has several, those that this system can't have (IPv6 switched off) are left out as long as one
// remains. Port 0 becomes the same free port for all.
std::vector<listener> listen_on(const std::vector<std::string>& hosts, std::uint16_t port,
                                int backlog);
inline std::vector<listener> listen_on(const std::string& host, std::uint16_t port, int backlog) {
    return listen_on(std::vector<std::string>{host}, port, backlog);
}

// A descriptor kept back for when none is left: given up for as long as it takes to accept a
// connection and close it, so that the client hears so at once and the listener does not stay ready
// for ever. Any thread.
class reserve_descriptor {
 public:
    reserve_descriptor();

    // True when one waiting connection was turned away; false when nobody waits, or there was no
    // reserve.
    bool turn_away(listener& from) noexcept;

 private:
    std::mutex mutex_;
    descriptor reserve_;  // guarded by mutex_
};

}  // namespace allcores::net
