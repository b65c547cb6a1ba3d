#include "http/media_type.h"

#include <algorithm>
#include <array>

#include "http/syntax.h"

namespace allcores::http {
namespace {

struct entry {
    std::string_view ending;
    std::string_view type;
};

// Sorted by ending. Types as IANA has them registered; those that are text come with the one
// encoding that files have today. JavaScript is text/javascript since RFC 9239.
constexpr std::array table = {
    entry{"7z", "application/x-7z-compressed"},
    entry{"aac", "audio/aac"},
    entry{"apng", "image/apng"},
    entry{"avif", "image/avif"},
    entry{"bin", "application/octet-stream"},
    entry{"bmp", "image/bmp"},
    entry{"br", "application/x-brotli"},
    entry{"bz2", "application/x-bzip2"},
    entry{"c", "text/x-c; charset=utf-8"},
    entry{"cpp", "text/x-c; charset=utf-8"},
    entry{"css", "text/css; charset=utf-8"},
    entry{"csv", "text/csv; charset=utf-8"},
    entry{"doc", "application/msword"},
    entry{"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    entry{"epub", "application/epub+zip"},
    entry{"flac", "audio/flac"},
    entry{"gif", "image/gif"},
    entry{"gz", "application/gzip"},
    entry{"h", "text/x-c; charset=utf-8"},
    entry{"htm", "text/html; charset=utf-8"},
    entry{"html", "text/html; charset=utf-8"},
    entry{"ico", "image/vnd.microsoft.icon"},
    entry{"ics", "text/calendar; charset=utf-8"},
    entry{"jar", "application/java-archive"},
    entry{"jpeg", "image/jpeg"},
    entry{"jpg", "image/jpeg"},
    entry{"js", "text/javascript; charset=utf-8"},
    entry{"json", "application/json"},
    entry{"jsonld", "application/ld+json"},
    entry{"log", "text/plain; charset=utf-8"},
    entry{"m4a", "audio/mp4"},
    entry{"m4v", "video/mp4"},
    entry{"map", "application/json"},
    entry{"md", "text/markdown; charset=utf-8"},
    entry{"mid", "audio/midi"},
    entry{"mjs", "text/javascript; charset=utf-8"},
    entry{"mkv", "video/matroska"},
    entry{"mov", "video/quicktime"},
    entry{"mp3", "audio/mpeg"},
    entry{"mp4", "video/mp4"},
    entry{"mpeg", "video/mpeg"},
    entry{"odp", "application/vnd.oasis.opendocument.presentation"},
    entry{"ods", "application/vnd.oasis.opendocument.spreadsheet"},
    entry{"odt", "application/vnd.oasis.opendocument.text"},
    entry{"oga", "audio/ogg"},
    entry{"ogg", "audio/ogg"},
    entry{"ogv", "video/ogg"},
    entry{"opus", "audio/ogg"},
    entry{"otf", "font/otf"},
    entry{"parquet", "application/vnd.apache.parquet"},
    entry{"pdf", "application/pdf"},
    entry{"png", "image/png"},
    entry{"ppt", "application/vnd.ms-powerpoint"},
    entry{"pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
    entry{"ps", "application/postscript"},
    entry{"py", "text/x-python; charset=utf-8"},
    entry{"rst", "text/x-rst; charset=utf-8"},
    entry{"rtf", "application/rtf"},
    entry{"sh", "application/x-sh"},
    entry{"sql", "application/sql"},
    entry{"svg", "image/svg+xml"},
    entry{"tar", "application/x-tar"},
    entry{"tif", "image/tiff"},
    entry{"tiff", "image/tiff"},
    entry{"toml", "application/toml"},
    entry{"tsv", "text/tab-separated-values; charset=utf-8"},
    entry{"ttf", "font/ttf"},
    entry{"txt", "text/plain; charset=utf-8"},
    entry{"vtt", "text/vtt; charset=utf-8"},
    entry{"wasm", "application/wasm"},
    entry{"wav", "audio/wav"},
    entry{"weba", "audio/webm"},
    entry{"webm", "video/webm"},
    entry{"webmanifest", "application/manifest+json"},
    entry{"webp", "image/webp"},
    entry{"woff", "font/woff"},
    entry{"woff2", "font/woff2"},
    entry{"xhtml", "application/xhtml+xml"},
    entry{"xls", "application/vnd.ms-excel"},
    entry{"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    entry{"xml", "application/xml"},
    entry{"xz", "application/x-xz"},
    entry{"yaml", "application/yaml"},
    entry{"yml", "application/yaml"},
    entry{"zip", "application/zip"},
    entry{"zst", "application/zstd"},
};
static_assert(std::ranges::is_sorted(table, {}, &entry::ending), "it is searched by halving");

constexpr std::size_t longest =
    std::ranges::max(table, {}, [](const entry& each) { return each.ending.size(); }).ending.size();

}  // namespace

std::string_view media_type(std::string_view path) {
    const std::string_view name = path.substr(path.rfind('/') + 1);  // npos + 1 is 0
    const std::size_t dot = name.rfind('.');
    if (dot == std::string_view::npos || dot == 0) return unknown_media_type;
    const std::string_view ending = name.substr(dot + 1);
    if (ending.size() > longest) return unknown_media_type;
    std::array<char, longest> lower{};
    std::ranges::transform(ending, lower.begin(), to_lower);
    const std::string_view key(lower.data(), ending.size());
    const auto found = std::ranges::lower_bound(table, key, {}, &entry::ending);
    return found != table.end() && found->ending == key ? found->type : unknown_media_type;
}

}  // namespace allcores::http
