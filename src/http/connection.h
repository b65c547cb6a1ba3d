// One client's connection. All fields but `owner` are the owner's (ownership.h): whoever made it
// busy may use them until release() or retire(). Kept small, because most connections of most
// servers are idle: what is read goes into the worker's buffer, and only an unfinished request or
// reply makes the connection hold memory of its own.
#pragma once

#include <cstdint>
#include <memory>

#include "http/body_spool.h"
#include "http/byte_buffer.h"
#include "http/exchange.h"
#include "http/ownership.h"
#include "http/parser.h"
#include "http/pending_output.h"
#include "http/request.h"
#include "net/descriptor.h"
#include "net/output_limit.h"

namespace allcores::http {

struct connection {
    explicit connection(std::uint32_t place) : index(place) {}

    ownership owner;
    const std::uint32_t index;  // its place in the pool

    net::descriptor socket;
    message_state message;
    // Input that outlives a read: the kept bytes of an unfinished request, then `unread` bytes that
    // the parser has not seen because a reply before them is stuck.
    byte_buffer input;
    std::size_t unread = 0;
    std::unique_ptr<pending_output> output;
    // What has come of a body that is to be whole before the application gets it, and is long.
    std::unique_ptr<body_spool> spool;
    // While its request is with the application: then the connection stays with one worker.
    std::unique_ptr<http::exchange> exchange;
    peer client;
    bool is_trusted = false;  // what it says of clients behind it counts

    // What it waits for, and until when: milliseconds on the server's clock, 0 for ever. The pool
    // has a copy.
    enum class waiting : std::uint8_t { nothing, request, head, body, place, output, client };
    waiting waits_for = waiting::nothing;
    std::uint64_t deadline = 0;

    // Of the body that is coming: when it began, on the same clock (0: none is), and the bytes of
    // it so far, as they came.
    std::uint64_t body_since = 0;
    std::uint64_t body_bytes = 0;
    // Since when nothing is read of it, for lack of a worker that may wait for the rest, and
    // perhaps of room; on the same clock, 0: it is read.
    std::uint64_t held_back_since = 0;

    std::uint32_t output_limit = net::most_in_kernel;  // what the kernel takes of its output
    std::uint64_t discarded = 0;                       // bytes read and thrown away while lingering
    bool watches_output = false;                       // the reactor reports room for output
    bool closing = false;       // nothing more is read as a request; close when all is sent
    bool lingers = false;       // and before that read on until the client has seen the reply
    bool is_lingering = false;  // that is what it does now
    bool is_new = true;         // no request has come yet
};

}  // namespace allcores::http
