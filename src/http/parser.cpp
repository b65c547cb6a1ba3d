#include "http/parser.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "http/syntax.h"
#include "http/uri.h"

namespace allcores::http {
namespace {

constexpr std::size_t longest_kept_host = 64;
constexpr std::uint8_t no_version = 0xff;  // for so_far(): it has not come

constexpr auto method_names = [] {
    std::array<std::string_view, 64> names{};
#define ALLCORES_METHOD(number, name, text) names[number] = #text;
    HTTP_ALL_METHOD_MAP(ALLCORES_METHOD)
#undef ALLCORES_METHOD
    return names;
}();

// llhttp also knows the methods of RTSP and ICE, and the preface of HTTP/2. CONNECT is for proxies.
constexpr bool is_implemented(std::uint8_t method) {
    return (method <= HTTP_UNLINK && method != HTTP_CONNECT) || method == HTTP_QUERY;
}

std::string_view without_trailing_blanks(std::string_view text) {
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

void move_view(std::string_view& view, std::ptrdiff_t by) {
    if (view.data()) view = {view.data() + by, view.size()};
}

// Rebuilt at every call and nowhere kept: the caller's bytes may have moved.
request_target take_apart(std::string_view method, std::string_view raw, bool& valid) {
    request_target target;
    if (raw.front() == '/') {  // nearly always
        valid = raw.find('#') == std::string_view::npos;
        std::size_t mark = raw.find('?');
        target.path = raw.substr(0, mark);
        if (mark != std::string_view::npos) target.query = raw.substr(mark + 1);
    } else {
        valid = parse_target(method, raw, target);
    }
    return target;
}

// 501 when what follows looks like the rest of a method that we don't know, else 400.
int status_of_method(const char* from, const char* end) {
    const char* stop = std::find_if_not(from, end, is_token_char);
    return stop != from && (stop == end || *stop == ' ') ? 501 : 400;
}

}  // namespace

// What llhttp calls. A value other than 0 ends llhttp_execute() with it.
struct request_parser::callbacks {
    static request_parser& parser(llhttp_t* machine) {
        return *static_cast<request_parser*>(machine->data);
    }

    static int message_begin(llhttp_t* machine) {
        request_parser& self = parser(machine);
        message_state& state = *self.state_;
        state.origin_ = state.body_ = nullptr;
        state.body_size_ = 0;
        state.taken_ = 0;
        state.target_size_ = state.overhead_ = 0;
        state.stage_ = message_state::stage::head;
        machine->http_minor = no_version;
        state.expects_continue_ = state.streams_ = false;
        self.field_count_ = 0;
        return 0;
    }

    static int url(llhttp_t* machine, const char* at, std::size_t size) {
        request_parser& self = parser(machine);
        message_state& state = *self.state_;
        if (!state.origin_) state.origin_ = const_cast<char*>(at);
        state.target_size_ += static_cast<std::uint32_t>(size);
        return state.target_size_ > self.limits_.max_target ? self.fail(414) : 0;
    }

    // A name or value can come in several calls. The next piece of a name is the one that follows
    // it directly in memory; between two names there is at least a colon.
    static int header_field(llhttp_t* machine, const char* at, std::size_t size) {
        request_parser& self = parser(machine);
        if (self.state_->stage_ == message_state::stage::body) return overhead(machine, at, size);
        if (self.over_head_limit(at + size)) return self.fail(431);
        if (self.field_count_ > 0) {
            std::string_view& name = self.fields_[self.field_count_ - 1].name;
            if (name.data() + name.size() == at) {
                name = {name.data(), name.size() + size};
                return 0;
            }
        }
        if (self.field_count_ == self.limits_.max_headers) return self.fail(431);
        self.fields_[self.field_count_++] = {{at, size}, {}};
        return 0;
    }

    static int header_value(llhttp_t* machine, const char* at, std::size_t size) {
        request_parser& self = parser(machine);
        if (self.state_->stage_ == message_state::stage::body) return overhead(machine, at, size);
        if (self.over_head_limit(at + size)) return self.fail(431);
        std::string_view& value = self.fields_[self.field_count_ - 1].value;
        value = value.data() ? std::string_view{value.data(), value.size() + size}
                             : std::string_view{at, size};
        return 0;
    }

    static int overhead(llhttp_t* machine, const char*, std::size_t size) {
        request_parser& self = parser(machine);
        self.state_->overhead_ += static_cast<std::uint32_t>(size);
        return self.state_->overhead_ > self.limits_.max_header_bytes ? self.fail(431) : 0;
    }

    static int headers_complete(llhttp_t* machine) {
        return parser(machine).head_complete(*machine);
    }

    static int chunk_header(llhttp_t* machine) {
        request_parser& self = parser(machine);
        const std::uint64_t so_far = self.state_->taken_ + self.state_->body_size_;
        const std::uint64_t room = self.limits_.max_body_bytes - so_far;
        return machine->content_length > room ? self.fail(413) : 0;
    }

    static int body(llhttp_t* machine, const char* at, std::size_t size) {
        message_state& state = *parser(machine).state_;
        if (state.streams_) {
            parser(machine).sink_.on_body({at, size});
            state.body_size_ += size;  // for the limit
            return 0;
        }
        if (!state.body_) state.body_ = const_cast<char*>(at);
        char* end = state.body_ + state.body_size_;
        if (end != at) std::memmove(end, at, size);
        state.body_size_ += size;
        return 0;
    }

    static int message_complete(llhttp_t* machine) {
        return parser(machine).message_complete(*machine);
    }

    static constexpr llhttp_settings_t settings = [] {
        llhttp_settings_t all{};
        all.on_message_begin = message_begin;
        all.on_url = url;
        all.on_header_field = header_field;
        all.on_header_value = header_value;
        all.on_headers_complete = headers_complete;
        all.on_chunk_header = chunk_header;
        all.on_chunk_extension_name = overhead;
        all.on_chunk_extension_value = overhead;
        all.on_body = body;
        all.on_message_complete = message_complete;
        return all;
    }();
};

message_state::message_state() {
    llhttp_init(&machine_, HTTP_REQUEST, &request_parser::callbacks::settings);
}

void message_state::moved(char* origin) {
    std::ptrdiff_t by = origin - origin_;
    origin_ = origin;
    if (body_) body_ += by;
    for (field& each : fields_) {
        move_view(each.name, by);
        move_view(each.value, by);
    }
}

std::uint64_t message_state::body_left() const {
    if (stage_ != stage::body || (machine_.flags & F_CHUNKED)) return 0;
    return machine_.content_length;
}

void message_state::take_body(std::size_t size) {
    taken_ += size;
    body_size_ -= size;
    if (body_size_) std::memmove(body_, body_ + size, body_size_);
}

bool message_state::is_chunked() const {
    return (machine_.flags & F_CHUNKED) != 0;
}

request message_state::so_far(const peer& client) const {
    request come{.method = {},
                 .target = {},
                 .path = {},
                 .query = {},
                 .method_number = machine_.method,
                 .headers = fields_,
                 .body = {},
                 .whole = false,
                 .chunked = false,
                 .content_length = 0,
                 .major = 0,
                 .minor = 0,
                 .keep_alive = false,
                 .client = client};
    if (!origin_) return come;
    come.method = method_names[machine_.method];
    come.target = {origin_, target_size_};
    bool valid = false;
    const request_target target = take_apart(come.method, come.target, valid);
    if (valid) {
        come.path = target.path;
        come.query = target.query;
    }
    if (machine_.http_minor != no_version) {
        come.major = machine_.http_major;
        come.minor = machine_.http_minor;
    }
    return come;
}

request_parser::request_parser(const http::limits& limits, sink& sink)
    : limits_(limits), sink_(sink), fields_(limits.max_headers) {
    good_host_.reserve(longest_kept_host);  // nothing may be thrown through llhttp
}

request_parser::result request_parser::feed(message_state& state, char* data, std::size_t size,
                                            const peer& client) {
    state_ = &state;
    client_ = &client;
    failure_ = 0;
    state.machine_.data = this;
    field_count_ = state.fields_.size();
    if (field_count_) {
        std::copy(state.fields_.begin(), state.fields_.end(), fields_.begin());
        state.fields_.clear();
    }
    llhttp_errno error = llhttp_execute(&state.machine_, data, size);
    char* end = data + size;
    if (error == HPE_OK) {
        if (state.stage_ == message_state::stage::between) return {outcome::more, end, 0};
        // Blanks before a value are reported by no callback. The slack is for a colon, a blank and
        // the ends of lines, which the callbacks do not count: where the bytes are cut must make no
        // difference.
        constexpr std::ptrdiff_t slack = 4;
        if (state.stage_ == message_state::stage::head && state.origin_ &&
            over_head_limit(end - slack)) {
            return failed(state, end, 431);
        }
        keep_fields(state);
        return {outcome::more, end, 0};
    }
    if (failure_) return failed(state, end, failure_);
    if (error == HPE_PAUSED) {
        const char* stopped_at = llhttp_get_error_pos(&state.machine_);
        llhttp_resume(&state.machine_);
        return {outcome::stopped, stopped_at, 0};
    }
    return failed(state, end, status_of_error(state.machine_, end));
}

request_parser::result request_parser::failed(message_state& state, const char* end, int status) {
    keep_fields(state);
    return {outcome::failed, end, status};
}

void request_parser::keep_fields(message_state& state) const {
    if (field_count_ == 0) return;
    state.fields_.assign(fields_.begin(),
                         fields_.begin() + static_cast<std::ptrdiff_t>(field_count_));
}

// The rules for a head that llhttp does not check. Returns as its callback does.
int request_parser::head_complete(llhttp_t& machine) {
    state_->stage_ = message_state::stage::body;
    machine.upgrade =
        0;  // an Upgrade field is an offer; we decline by answering as if it were not there
    bool known_version = machine.http_major == 1 && machine.http_minor <= 1;
    if (!known_version) return fail(505);
    if (!is_implemented(machine.method)) return fail(501);
    bool valid = false;
    take_apart(method_names[machine.method], {state_->origin_, state_->target_size_}, valid);
    if (!valid) return fail(400);
    if (int error = check_fields(machine)) return error;
    if ((machine.flags & F_CONTENT_LENGTH) && machine.content_length > limits_.max_body_bytes) {
        return fail(413);
    }
    return 0;
}

int request_parser::check_fields(const llhttp_t& machine) {
    int hosts = 0, codings = 0;
    for (std::size_t i = 0; i < field_count_; ++i) {
        field& each = fields_[i];
        each.value = without_trailing_blanks(each.value);
        if (each.name.size() == 4 && equal_ignoring_case(each.name, "host")) {
            if (++hosts > 1) return fail(400);
            if (!each.value.empty() && each.value == good_host_) continue;
            if (!is_host(each.value)) return fail(400);
            if (each.value.size() <= longest_kept_host) good_host_ = each.value;
        } else if (each.name.size() == 6 && equal_ignoring_case(each.name, "expect")) {
            if (machine.http_minor == 0) continue;  // a client of 1.0 can't expect anything
            if (!equal_ignoring_case(each.value, "100-continue")) return fail(417);
            state_->expects_continue_ = true;
        } else if (each.name.size() == 17 && equal_ignoring_case(each.name, "transfer-encoding")) {
            if (!equal_ignoring_case(each.value, "chunked")) return fail(501);
            ++codings;
        }
    }
    if (hosts == 0 && machine.http_minor == 1) return fail(400);
    // A length and a coding at once, or a coding from a client of 1.0, is how requests are smuggled
    // past a proxy.
    if (codings > 1) return fail(400);
    if (codings == 1 && (machine.http_minor == 0 || (machine.flags & F_CONTENT_LENGTH))) {
        return fail(400);
    }
    return 0;
}

int request_parser::message_complete(llhttp_t& machine) {
    message_state& state = *state_;
    bool go_on = state.streams_ ? sink_.on_body_end() : give_request(machine, true);
    state.origin_ = state.body_ = nullptr;
    state.body_size_ = 0;
    state.taken_ = 0;
    state.stage_ = message_state::stage::between;
    state.expects_continue_ = state.streams_ = false;
    field_count_ = 0;
    return go_on ? 0 : static_cast<int>(HPE_PAUSED);
}

void request_parser::hand_over(message_state& state, const peer& client) {
    state_ = &state;
    client_ = &client;
    field_count_ = state.fields_.size();
    std::copy(state.fields_.begin(), state.fields_.end(), fields_.begin());
    state.fields_ = {};
    // The application may read the rest of the body before it returns, by feed(): before that the
    // state is as it must be then.
    state.streams_ = true;
    (void)give_request(state.machine_, false);
    field_count_ = 0;
}

bool request_parser::give_request(const llhttp_t& machine, bool ended) {
    message_state& state = *state_;
    std::string_view method = method_names[machine.method];
    std::string_view raw{state.origin_, state.target_size_};
    bool valid = false;
    request_target target = take_apart(method, raw, valid);
    request given{
        .method = method,
        .target = raw,
        .path = target.path,
        .query = target.query,
        .method_number = machine.method,
        .headers = {fields_.data(), field_count_},
        .body = {state.body_, state.body_size_},
        .whole = ended && state.taken_ == 0,
        .ended = ended,
        .chunked = (machine.flags & F_CHUNKED) != 0,
        // llhttp counts down what is left of it.
        .content_length = (machine.flags & F_CONTENT_LENGTH)
                              ? machine.content_length + state.taken_ + state.body_size_
                              : 0,
        .major = machine.http_major,
        .minor = machine.http_minor,
        .keep_alive = llhttp_should_keep_alive(&machine) != 0,
        .client = *client_,
    };
    if (!ended) {
        state.origin_ = state.body_ = nullptr;
        state.target_size_ = 0;
    }
    return sink_.on_request(given);
}

int request_parser::status_of_error(const llhttp_t& machine, const char* end) const {
    std::string_view reason = machine.reason ? machine.reason : "";
    switch (machine.error) {
        case HPE_INVALID_METHOD:
            return status_of_method(machine.error_pos, end);
        case HPE_INVALID_CONSTANT:
            return reason == "Invalid method for HTTP/x.x request" ? 501 : 400;
        case HPE_INVALID_VERSION:
            return reason == "Invalid HTTP version" ? 505 : 400;
        case HPE_PAUSED_H2_UPGRADE:
            return 505;
        default:
            return 400;
    }
}

}  // namespace allcores::http
