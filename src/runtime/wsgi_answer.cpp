#include "runtime/wsgi_answer.h"

#include <cerrno>
#include <utility>

#include "http/file_plan.h"
#include "http/status.h"
#include "runtime/wsgi_head.h"

namespace allcores::runtime {

namespace {

// So much of a long part at a time: what the client has no room for is copied.
constexpr std::size_t most_a_write = 128 * 1024;
// A longer body has to wait for a client that does not read.
constexpr std::size_t longest_at_once = 64 * 1024;

bool raise_again(PyObject* exc_info) {
    PyObject* value = PyTuple_GET_ITEM(exc_info, 1);
    PyObject* traceback = PyTuple_GET_ITEM(exc_info, 2);
    if (!PyExceptionInstance_Check(value)) {
        PyErr_SetObject(PyExc_RuntimeError, value);
    } else if (traceback == Py_None || PyException_SetTraceback(value, traceback) == 0) {
        PyErr_SetRaisedException(Py_NewRef(value));
    }
    return false;
}

}  // namespace

void wsgi_answer::begin(http::port& port, const http::request& request, http::response& response,
                        wsgi_input* input) {
    port_ = &port;
    response_ = &response;
    exchange_ = input->exchange;
    input_ = input;
    length_ = left_ = -1;
    is_head_method_ = request.method == "HEAD";
    has_head_ = is_sent_ = is_whole_ = is_gone_ = was_too_long_ = false;
}

bool wsgi_answer::set_head(PyObject* status, PyObject* headers, PyObject* exc_info) {
    if (exc_info != nullptr && exc_info != Py_None) {
        if (!PyTuple_Check(exc_info) || PyTuple_GET_SIZE(exc_info) != 3) {
            PyErr_Format(PyExc_TypeError,
                         "start_response: exc_info must be what sys.exc_info() returns, not %R",
                         exc_info);
            return false;
        }
        if (is_sent_) return raise_again(exc_info);
    } else if (has_head_) {
        PyErr_SetString(PyExc_AssertionError,
                        "start_response was called before: a second call must have exc_info");
        return false;
    }
    has_head_ = set_wsgi_head(status, headers, *response_, length_);
    return has_head_;
}

bool wsgi_answer::is_bodiless() const {
    const int status = response_->status();
    return is_head_method_ || http::has_no_body(status) || http::has_empty_body(status);
}

bool wsgi_answer::set_gone() {
    is_gone_ = true;
    exchange_ = nullptr;
    end_stream(input_);
    PyErr_SetString(PyExc_ConnectionResetError,
                    "the client went away, or did not read for too long, before the response was "
                    "complete");
    return false;
}

bool wsgi_answer::send_head(std::int64_t length) {
    is_sent_ = true;
    if (exchange_ == nullptr) exchange_ = &port_->hold();
    if (http::has_empty_body(response_->status())) length = 0;
    left_ = is_bodiless() ? -1 : length;
    return exchange_->start(*response_, length) != http::exchange::output::gone || set_gone();
}

// Nothing was sent before these, and nothing will be after them.
bool wsgi_answer::is_all(std::string_view bytes) const {
    return !is_sent_ && exchange_ == nullptr && bytes.size() <= longest_at_once &&
           length_ == static_cast<std::int64_t>(bytes.size()) && !is_bodiless();
}

bool wsgi_answer::write(std::string_view bytes) {
    if (bytes.empty()) return true;
    if (is_whole_) {
        was_too_long_ = true;
        return true;
    }
    if (is_gone()) return set_gone();
    if (is_all(bytes)) {
        is_sent_ = is_whole_ = true;
        left_ = 0;
        response_->body(bytes);
        port_->answer();
        return true;
    }
    if (!is_sent_ && !send_head(length_)) return false;
    if (is_bodiless()) return true;
    if (left_ >= 0) {
        const auto room = static_cast<std::size_t>(left_);
        if (bytes.size() > room) {
            was_too_long_ = true;
            bytes = bytes.substr(0, room);
        }
        left_ -= static_cast<std::int64_t>(bytes.size());
    }
    while (!bytes.empty()) {
        http::exchange::output result = exchange_->write(bytes.substr(0, most_a_write));
        if (result == http::exchange::output::blocked) result = exchange_->wait_room();
        if (result == http::exchange::output::gone) return set_gone();
        bytes.remove_prefix(bytes.size() < most_a_write ? bytes.size() : most_a_write);
    }
    return true;
}

bool wsgi_answer::write_file(int descriptor, std::uint64_t offset) {
    auto file = http::regular_file::adopt(http::unique_descriptor(descriptor));
    if (!file) return false;
    http::file_options options;
    options.offset = offset;
    if (length_ >= 0) options.length = static_cast<std::uint64_t>(length_);
    options.content_type.clear();
    options.etag.reset();
    // Without a method that has conditions and ranges: those are the application's to look at.
    auto plan = http::file_plan::make(std::move(*file), options, "POST", {});
    if (!plan) return false;
    const auto size = static_cast<std::int64_t>(plan->content_length());
    if (send_head(size) && !is_bodiless()) {
        left_ = 0;
        if (exchange_->write_file(std::move(*plan)) == http::exchange::output::gone) {
            (void)set_gone();
        }
    }
    PyErr_Clear();  // that it has gone is known
    return true;
}

bool wsgi_answer::answer(std::string_view bytes, bool permanent) {
    if (is_gone()) return false;
    // A length of 0 would be a lie where the application did not say it.
    const bool is_unknown = is_head_method_ && bytes.empty() && length_ < 0;
    if (exchange_ != nullptr || is_unknown) {
        if (exchange_ != nullptr && !exchange_->ignore_rest()) response_->close();
        const auto size = static_cast<std::int64_t>(bytes.size());
        const bool good =
            send_head(length_ >= 0 || is_unknown ? length_ : size) && write(bytes) && finish();
        if (!good) PyErr_Clear();
        return false;
    }
    is_sent_ = true;
    if (permanent) {
        response_->permanent_body(bytes);
    } else {
        response_->body(bytes);
    }
    if (length_ >= 0) response_->length(length_);
    return true;
}

bool wsgi_answer::finish() {
    if (is_gone() || is_whole_) return true;
    end_stream(input_);
    http::exchange* const sent = std::exchange(exchange_, nullptr);
    if (left_ > 0) {
        sent->abort();
        return false;
    }
    sent->finish();
    return true;
}

void wsgi_answer::fail() {
    if (is_gone()) return;
    if (is_sent_) {
        end_stream(input_);
        if (exchange_ != nullptr) std::exchange(exchange_, nullptr)->abort();
        return;
    }
    response_->reset();
    response_->status(500);
    response_->content_type("text/plain; charset=utf-8");
    length_ = -1;
    (void)answer("Internal Server Error\n", true);
}

}  // namespace allcores::runtime
