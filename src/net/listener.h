// A listening TCP socket. accept() may be called by several threads at once; close_to_clients() by
// any.
#pragma once

#include <cstdint>
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

    int get() const { return socket_.get(); }
    const address& where() const { return where_; }

    accepted accept(descriptor& connection, address& from) noexcept;

    // From now on connecting is refused; those not yet accepted are reset. The descriptor stays
    // open, because another thread may be inside accept() with its number.
    void close_to_clients() noexcept;

 private:
    descriptor socket_;
    address where_;
};

// One for each address of the host. When the host has several, those that this system can't have
// (IPv6 switched off) are left out as long as one remains. Port 0 becomes the same free port for
// all.
std::vector<listener> listen_on(const std::string& host, std::uint16_t port, int backlog);

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
