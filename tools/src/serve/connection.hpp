// Connections: cpp-httplib's server, with bounds where it has none.
#pragma once
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <httplib.h>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>

namespace tool::serve {

/// A socket as the server reads it. Lines, of headers and between the chunks of a body, it reads byte by byte into a
/// text that grows as they do: here they have an end, and those before a body a time.
class BoundedStream final : public httplib::Stream {
 public:
  static constexpr std::size_t most_line_bytes = 64U << 10U;  ///< of lines, one after another
  static constexpr std::chrono::seconds most_header_time{30};

  /// Seconds that a read and a write may wait.
  BoundedStream(int socket, std::time_t read, std::time_t write) : socket_(socket), read_(read), write_(write) {}

  /// Another request begins.
  void begin() {
    line_bytes_ = 0;
    in_headers_ = true;
    headers_end_ = std::chrono::steady_clock::now() + most_header_time;
  }
  bool exceeded() const { return exceeded_; }
  /// Is there anything to read, or the end, within this time?
  bool waits(std::chrono::milliseconds most) const { return from_ < held_ || ready(POLLIN, most); }

  bool is_readable() const override { return waits(std::chrono::seconds(read_)); }
  bool is_writable() const override { return ready(POLLOUT, std::chrono::seconds(write_)); }
  ssize_t read(char* to, std::size_t n) override {
    if (n > 1) {
      line_bytes_ = 0;
      in_headers_ = false;
    } else if (++line_bytes_ > most_line_bytes) {
      exceeded_ = true;
    }
    if (exceeded_) return -1;
    if (from_ == held_) {
      if (!is_readable()) return -1;
      exceeded_ = in_headers_ && std::chrono::steady_clock::now() > headers_end_;
      if (exceeded_) return -1;
      const ssize_t got = again([&] { return ::recv(socket_, buffer_, sizeof buffer_, 0); });
      if (got <= 0) return got;
      from_ = 0;
      held_ = static_cast<std::size_t>(got);
    }
    n = std::min(n, held_ - from_);
    std::memcpy(to, buffer_ + from_, n);
    from_ += n;
    return static_cast<ssize_t>(n);
  }
  ssize_t write(const char* from, std::size_t n) override {
    return is_writable() ? again([&] { return ::send(socket_, from, n, MSG_NOSIGNAL); }) : -1;
  }
  void get_remote_ip_and_port(std::string& ip, int& port) const override { end(::getpeername, ip, port); }
  void get_local_ip_and_port(std::string& ip, int& port) const override { end(::getsockname, ip, port); }
  socket_t socket() const override { return socket_; }

 private:
  template <class F> static ssize_t again(F&& call) {
    for (;;)
      if (const ssize_t n = call(); n >= 0 || errno != EINTR) return n;
  }
  bool ready(short events, std::chrono::milliseconds most) const {
    pollfd one{socket_, events, 0};
    return again([&] { return static_cast<ssize_t>(::poll(&one, 1, static_cast<int>(most.count()))); }) > 0;
  }
  template <class F> void end(F of, std::string& ip, int& port) const {
    sockaddr_storage at{};
    socklen_t size = sizeof at;
    char host[NI_MAXHOST], service[NI_MAXSERV];
    auto* const address = reinterpret_cast<sockaddr*>(&at);
    if (of(socket_, address, &size) != 0 ||
        ::getnameinfo(address, size, host, sizeof host, service, sizeof service, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
      return;
    ip = host;
    port = std::atoi(service);
  }

  int socket_;
  std::time_t read_, write_;
  char buffer_[4096];
  std::size_t from_ = 0, held_ = 0, line_bytes_ = 0;
  bool in_headers_ = true, exceeded_ = false;
  std::chrono::steady_clock::time_point headers_end_{};
};

/// The client of a request, which cpp-httplib does not hand out.
class Connection {
 public:
  /// Of the request that this thread answers.
  static Connection here() { return Connection(served); }

  /// Is the client still there? One that has said that it sends no more counts as gone.
  bool alive() const {
    char byte = 0;
    const auto n = ::recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
  }
  /// No request comes after this one.
  void be_last() const { last = true; }
  /// Reads nothing more from it, so that the rest of a body is not taken for the next request.
  void close_after_answer() const {
    last = true;
    ::shutdown(socket_, SHUT_RD);
  }

 private:
  friend class Connections;
  explicit Connection(int socket) : socket_(socket) {}
  static inline thread_local int served = -1;
  static inline thread_local bool last = false;  ///< what comes, or is still held, is no request
  int socket_;
};

/// The server, whose connections are such.
class Connections final : public httplib::Server {
  bool process_and_close_socket(socket_t socket) override {
    constexpr std::chrono::milliseconds patience{100};
    BoundedStream stream(socket, read_timeout_sec_, write_timeout_sec_);
    Connection::served = socket;
    const auto waits = [&] {
      const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(keep_alive_timeout_sec_);
      while (svr_sock_ != INVALID_SOCKET && std::chrono::steady_clock::now() < end)
        if (stream.waits(patience)) return true;
      return false;
    };
    for (std::size_t left = keep_alive_max_count_; left > 0 && waits(); --left) {
      bool closed = false;
      stream.begin();
      Connection::last = false;
      if (!process_request(stream, left == 1, closed, nullptr) || closed || stream.exceeded() || Connection::last)
        break;
    }
    ::shutdown(socket, SHUT_RDWR);
    ::close(socket);
    return true;
  }
};

}  // namespace tool::serve
