from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import Refused
from pipeline.net.guard import PORTS, check_address, check_url, printable

SPECIAL = """
0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.100.100.200 100.127.255.255 127.0.0.1 127.255.255.255
168.63.129.16 169.254.0.0 169.254.169.254 172.16.0.0 172.31.255.255 192.0.0.0 192.0.0.192 192.0.0.255 192.0.2.1
192.31.196.1 192.52.193.1 192.88.99.1 192.168.0.0 192.168.255.255 192.175.48.1 198.18.0.0 198.19.255.255 198.51.100.7
203.0.113.7 224.0.0.1 239.255.255.255 240.0.0.0 255.255.255.255
:: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b::808:808
64:ff9b:1::a9fe:a9fe 100::1 100:0:0:1::1 2001::1 2001:0:7f00:1:: 2001:2::1 2001:10::1 2001:20::1 2001:db8::1
2002:7f00:1:: 2002:808:808:: 2620:4f:8000::1 3fff::1 4000::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 febf::1 fec0::1
feff::1 ff02::1 ff0e::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
""".split()

PUBLIC = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 168.63.129.15 169.253.0.1
172.15.255.255 172.32.0.0 192.0.1.0 192.0.3.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255
2001:200::1 2001:4860:4860::8888 2003::1 2606:4700::1111 2a00:1450:4001:800::200e 2001:db7::1 2620:4f:7fff::1
""".split()


@pytest.mark.parametrize("ip", SPECIAL)
def test_special_addresses_are_refused(ip: str) -> None:
    with pytest.raises(Refused) as caught:
        check_address(ip)
    assert ip in str(caught.value)
    assert caught.value.permanent


@pytest.mark.parametrize("ip", PUBLIC)
def test_public_addresses_pass(ip: str) -> None:
    check_address(ip)


def test_the_standard_library_alone_would_let_some_through() -> None:
    """The positive control: why there are own tables."""
    through = [ip for ip in SPECIAL if ipaddress.ip_address(ip).is_global]
    print(f"ipaddress.is_global calls {len(through)} of {len(SPECIAL)} special addresses global: {through}")
    assert through


@settings(max_examples=60)
@given(st.ip_addresses())
def test_what_the_standard_library_calls_special_is_never_passed(ip: ipaddress.IPv4Address) -> None:
    """Our tables are stricter than is_global everywhere, but for its anycast exceptions in protocol assignments."""
    if not ip.is_global:
        with pytest.raises(Refused):
            check_address(str(ip))


def test_a_named_network_opens_itself_and_nothing_else() -> None:
    check_address("192.168.1.7", ("192.168.1.0/24",), port=8123)
    check_address("fd00::7", ("192.168.1.0/24", "fd00::/8"), port=8123)
    for ip in ("192.168.2.7", "127.0.0.1", "::ffff:192.168.1.7", "64:ff9b::c0a8:107"):
        with pytest.raises(Refused):
            check_address(ip, ("192.168.1.0/24",))


def test_a_named_nat64_prefix_does_not_open_the_inside() -> None:
    check_address("64:ff9b::808:808", ("64:ff9b::/96",))
    with pytest.raises(Refused):
        check_address("64:ff9b::7f00:1", ("64:ff9b::/96",))
    check_address("64:ff9b::c0a8:107", ("64:ff9b::/96", "192.168.0.0/16"))


def test_ports_are_free_only_on_named_networks() -> None:
    with pytest.raises(Refused, match="port 22"):
        check_address("1.1.1.1", ("192.168.1.0/24",), port=22)
    with pytest.raises(Refused, match="port 22"):
        check_url("http://example.org:22/")
    assert check_url("http://example.org:22/", ("192.168.1.0/24",)).port == 22
    for port in PORTS:
        assert check_url(f"http://example.org:{port}/").port == port


def test_a_wrong_network_says_how_to_write_one() -> None:
    with pytest.raises(Refused, match=r"home.*192\.168\.1\.0/24"):
        check_address("1.1.1.1", ("home",))


@pytest.mark.parametrize("ip", ["", "localhost", "127.1", "0x7f000001", "1.2.3.4.5", "fe80::1%eth0"])
def test_only_addresses_are_addresses(ip: str) -> None:
    with pytest.raises(Refused):
        check_address(ip)


@pytest.mark.parametrize("url", [
    "", "example.org/feed", "//example.org/", "file:///etc/passwd", "ftp://example.org/", "gopher://example.org/",
    "javascript:alert(1)", "data:text/plain,x", "http:", "http://", "http:///path", "https://:443/", "http://?x",
    "http://user@example.org/", "http://user:secret@example.org/", "http://@example.org/", "http://a:b@[::1]/",
    "http://example.org:0/", "http://example.org:99999/", "http://example.org:port/", "http://example.org:-1/",
    "http://exa mple.org/", "http://example.org/a b", "http://example.org\\@127.0.0.1/", "http://example.org/\x00",
    "http://example.org/\r\nHost: x", "http://exam\tple.org/", "http://[::1", "http://[fe80::1%25eth0]/",
    "http://[v1.x]/", "http://-a.example/", "http://a..b/", "http://" + "a" * 64 + ".example/",
    "http://" + "a." * 130 + "example/", "http://%6c%6f%63alhost/", "http://127.0.0.1%00.example.org/",
    "http://exa\u202emple.org/", "http://\u2028/", "http://example.org/" + "a" * 9000, "http://a,b/", "http://*/",
])
def test_urls_that_are_refused(url: str) -> None:
    with pytest.raises(Refused):
        check_url(url)


ODD_LITERALS = """
2130706433 0x7f000001 0x7F000001 017700000001 0177.0.0.1 0x7f.0.0.1 127.1 127.0.1 127.0.0.01 0x7f.1 00127.0.0.1
127.0.0.0x1 0300.0250.1.1 3232235777 0xa9fea9fe 0251.0376.0251.0376 169.254.43518 1.2.3.256 1.2.3 0 0x 1e3.4
""".split()


@pytest.mark.parametrize("host", ODD_LITERALS)
def test_numbers_that_are_no_plain_address_are_refused_even_where_loopback_is_allowed(host: str) -> None:
    with pytest.raises(Refused):
        check_url(f"http://{host}/", ("0.0.0.0/0",))


@pytest.mark.parametrize(("url", "host"), [
    ("http://①②⑦.⓪.⓪.①/", "127.0.0.1"),
    ("http://127。0。0。1/", "127.0.0.1"),
    ("http://ⓛocalhost/", "localhost"),
    ("http://LOCALHOST./", "localhost"),
    ("http://[::FFFF:127.0.0.1]/", "::ffff:7f00:1"),
    ("http://Bücher.example/", "xn--bcher-kva.example"),
])
def test_hosts_are_made_plain_before_anyone_checks_them(url: str, host: str) -> None:
    try:
        found = ipaddress.ip_address(check_url(url).host)
    except ValueError:
        assert check_url(url).host == host
    else:
        assert found == ipaddress.ip_address(host)


def test_a_target_is_read_once() -> None:
    target = check_url(" HTTPS://Example.ORG:443/a%20b/ä?q=ü&r=[1]#top ")
    assert target.url == "https://example.org/a%20b/%C3%A4?q=%C3%BC&r=[1]"
    assert (target.scheme, target.host, target.port) == ("https", "example.org", 443)
    assert check_url("http://[2606:4700::1111]:8080").url == "http://[2606:4700::1111]:8080/"
    assert check_url(target.url) == target


@settings(max_examples=60)
@given(st.text(max_size=40) | st.from_regex(r"https?://[^/]{1,30}(/.{0,10})?", fullmatch=True))
def test_any_text_is_refused_or_becomes_a_clean_target(text: str) -> None:
    try:
        target = check_url(text)
    except Refused:
        return
    assert target.url.isascii()
    assert target.url.isprintable()
    assert " " not in target.url
    assert "@" not in target.url.split("/")[2]
    assert check_url(target.url) == target


def test_secrets_in_addresses_are_not_printed() -> None:
    with pytest.raises(Refused) as caught:
        check_url("https://reader:tops3cret@example.org/feed")
    assert "tops3cret" not in str(caught.value)
    assert "example.org/feed" in str(caught.value)
    assert printable("http://a\x1b[2Jb/") == "http://a�[2Jb/"


def test_the_system_really_reads_odd_literals_as_loopback() -> None:
    """The positive control: these are threats on this very machine, not folklore."""
    mapped = []
    for host in ODD_LITERALS:
        try:
            found = socket.getaddrinfo(host, 80, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except OSError:
            continue
        mapped.append((host, found[0][4][0]))
    print(f"getaddrinfo takes {len(mapped)} of {len(ODD_LITERALS)} odd literals: {mapped}")


# https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry, every row
REGISTRIES = """
0.0.0.0/8 0.0.0.0/32 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.0.0/29
192.0.0.8/32 192.0.0.9/32 192.0.0.10/32 192.0.0.170/32 192.0.0.171/32 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24
192.88.99.0/24 192.88.99.2/32 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4
255.255.255.255/32
::1/128 ::/128 ::ffff:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32 2001:1::1/128
2001:1::2/128 2001:1::3/128 2001:2::/48 2001:3::/32 2001:4:112::/48 2001:10::/28 2001:20::/28 2001:30::/28
2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7 fe80::/10
""".split()


@pytest.mark.parametrize("network", REGISTRIES)
def test_every_row_of_the_registries_is_refused_from_end_to_end(network: str) -> None:
    span = ipaddress.ip_network(network)
    for address in {span[0], span[-1], span[span.num_addresses // 2]}:
        with pytest.raises(Refused):
            check_address(str(address))


def disguises(carried: str) -> list[str]:
    number = int(ipaddress.IPv4Address(carried))
    high, low = number >> 16, number & 0xFFFF
    return [f"::ffff:{carried}", f"::{carried}", f"::ffff:0:{carried}", f"64:ff9b::{carried}", f"64:ff9b:1::{carried}",
            f"2002:{high:x}:{low:x}::1", f"2001::{high ^ 0xFFFF:x}:{low ^ 0xFFFF:x}", f"2a00::5efe:{carried}",
            f"2a00::200:5efe:{carried}"]


@pytest.mark.parametrize("carried", ["127.0.0.1", "10.0.0.5", "169.254.169.254", "192.168.1.7", "8.8.8.8"])
def test_an_address_in_disguise_is_never_public_and_naming_the_disguise_does_not_open_the_inside(carried: str) -> None:
    for ip in disguises(carried):
        with pytest.raises(Refused):
            check_address(ip)
        with pytest.raises(Refused):
            check_address(ip, (f"{carried}/32",))
        for named in ("::/0", f"{ip}/128"):
            if carried == "8.8.8.8":
                check_address(ip, (named,))
                continue
            with pytest.raises(Refused):
                check_address(ip, (named,))
        check_address(ip, ("::/0", f"{carried}/32"))


def test_this_machines_own_address_can_be_named() -> None:
    check_address("::1", ("::1/128",))
    check_address("fd00::5", ("fd00::/8",), port=8123)


@pytest.mark.parametrize("ip", ["fe80::1%eth0", "2606:4700::1111%eth0", "::1%lo"])
def test_an_address_with_a_zone_is_refused_even_where_it_is_named(ip: str) -> None:
    with pytest.raises(Refused, match="zone"):
        check_address(ip, ("::/0",))


@pytest.mark.parametrize("authority", [
    "[::1].example.org", "example.org[::1]", "[2606:4700::1111]x:80", "[2606:4700::1111]:80:80", "example.org:80:80",
    "example.org:+80", "example.org: 80", "example.org:8_0", "example.org:٨٠", "[[::1]]", "[", "]", "[]", "a]b[",
    "[example.org]", "[127.0.0.1]", "::1", "2606:4700::1111", "[::ffff:127.1]", "[::1%lo]", "[::1%25lo]",
    "example.org%2f", "127.0.0.1%2f", "a@b@c", "%40", "example.org%00",
])
def test_a_host_that_parsers_read_differently_is_refused(authority: str) -> None:
    with pytest.raises(Refused):
        check_url(f"http://{authority}/", ("::/0", "0.0.0.0/0"))


@pytest.mark.parametrize("url", ["https://s.example/feed?key=s3cret", "https://s.example/feed?a=1&api_token=s3cret#x",
                                 "https://ann:s3cret@s.example/feed"])
def test_no_secret_of_an_address_is_printed(url: str) -> None:
    assert "s3cret" not in printable(url)
    assert "s.example/feed" in printable(url)
