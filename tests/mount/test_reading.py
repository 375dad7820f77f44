"""What people do with a drive that they may read, with the programs that they have: as root and as an ordinary user."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests import wire
from tests.mounts import Mounted
from tests.sandboxes import RunningSandbox

pytestmark = pytest.mark.mount

REEL = "Museum of Nowhere/Sound and film/reel 3, unedited.bin"
LETTERS = "Museum of Nowhere/Letters and lists"
ODD = "Museum of Nowhere/Odd names"

Truth = dict[str, bytes]


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def ids(museum: Mounted) -> dict[str, str]:
    """Every file's path and the id that it has on the server."""
    script = """
import json, os
files = [os.path.join(folder, name) for folder, _, names in os.walk(".") for name in names]
print(json.dumps({path: os.getxattr(path, "user.jama.id").decode() for path in files}))
"""
    found: dict[str, str] = json.loads(museum.python(script))
    return found


def sums(museum: Mounted, folder: Path | None = None) -> dict[str, str]:
    """The SHA-256 of every file below a folder (the mount), as sha256sum has it."""
    command = "find . -type f -print0 | xargs -0 sha256sum -z"
    if folder is None:
        told = museum.run(command).stdout
    else:
        told = subprocess.run(command, shell=True, cwd=folder, capture_output=True, check=True).stdout
    return {line[66:].decode(): line[:64].decode() for line in told.split(b"\0") if line}


@pytest.fixture
def copies(museum: Mounted, tmp_path: Path, open_folder: Path) -> Path:
    """A local folder that the mount's user may write to."""
    place = tmp_path if museum.user.uid is None else open_folder / tmp_path.name
    museum.user.own(place)
    return place


# ---- everything, byte for byte ----


def test_every_byte_of_every_file_is_what_the_server_has(
    museum: Mounted, demo_sandbox: RunningSandbox, truth: Truth
) -> None:
    found = ids(museum)
    read = sums(museum)
    assert {path: sha(truth[number]) for path, number in found.items()} == read
    placed = [r["id"] for project in wire.projects(demo_sandbox) for r in wire.resources(demo_sandbox, project)]
    assert sorted(map(str, placed)) == sorted(found.values())


def test_ls_l_shows_sizes_dates_and_who_may_what(museum: Mounted, truth: Truth) -> None:
    found = ids(museum)
    bits, letters = ("444", b"r--r--r--") if museum.status()["read_only"] else ("644", b"rw-r--r--")
    told = museum.run("find . -type f -printf '%s %A@ %T@ %m %b %p\\n'").stdout.decode().splitlines()
    assert len(told) == len(found)
    for line in told:
        size, atime, mtime, mode, blocks, path = line.split(" ", 5)
        assert int(size) == len(truth[found[path]])
        assert atime == mtime
        assert float(mtime) > 1_700_000_000
        assert mode == bits
        assert int(blocks) == -(-int(size) // 512)
    listed = museum.run("ls", "-lR").stdout
    once, twice = (listed.count(b"\n-" + letters + links) for links in (b" 1 ", b" 2 "))
    assert (once, twice) == (len(found) - 2, 2), "one photograph is in two collections"


def test_find_sees_every_folder_once(museum: Mounted) -> None:
    folders = museum.run("find . -mindepth 1 -type d").stdout.decode().splitlines()
    assert len(folders) == len(set(folders)) == 16
    assert f"./{ODD}/1931%2F1932" in folders
    assert f"./{ODD}/deep/deeper/deepest" in folders


def test_grep_finds_a_word_in_three_scripts(museum: Mounted) -> None:
    for word, name in (("troisième", ""), ("Louise", "letter.txt"), ("третьего", "письмо.txt"), ("木箱", "手紙.txt")):
        done = museum.run("grep", "-rlF", word, LETTERS, check=bool(name))
        assert done.stdout.decode() == (f"{LETTERS}/{name}\n" if name else "")


def test_copies_are_the_same_as_the_originals(museum: Mounted, copies: Path) -> None:
    museum.run("cp", "-a", ".", copies / "cp")
    museum.run(f"tar c . | tar x -C {copies}")
    (copies / "Press archive").stat()
    read = sums(museum)
    assert sums(museum, copies / "cp") == read
    assert {p: s for p, s in sums(museum, copies).items() if not p.startswith("./cp/")} == read
    for path in read:
        source, copy = museum.run("stat", "-c", "%Y %a %s", path).stdout, (copies / "cp" / path).stat()
        assert source.decode().split() == [str(int(copy.st_mtime)), f"{copy.st_mode & 0o777:o}", str(copy.st_size)]
    museum.run(f"diff -r . {copies / 'cp'}")


def test_a_copy_has_the_attributes_of_the_original(museum: Mounted, copies: Path) -> None:
    picture = "Museum of Nowhere/Photographs/Landscapes/The long valley.jpg"
    museum.run("cp", "-a", picture, copies / "copy.jpg")
    kept = {name: os.getxattr(copies / "copy.jpg", name) for name in os.listxattr(copies / "copy.jpg")}
    assert kept["user.jama.meta.Dublin_Core.creator"] == "É. Marchand\n--\nL. Marchand".encode()
    assert kept["user.dublincore.title"] == b"The long valley"
    assert kept["user.xdg.tags"] == b"LANDSCAPE"
    assert kept["user.assetfs.digest"] == b"sha256:" + sha((copies / "copy.jpg").read_bytes()).encode()


def test_a_second_rsync_transfers_nothing(museum: Mounted, copies: Path) -> None:
    first = museum.run("rsync", "-ai", "./", copies / "sync").stdout
    assert first.count(b">f") == len(sums(museum))
    assert museum.run("rsync", "-ai", "./", copies / "sync").stdout == b""
    assert museum.run("rsync", "-aic", "./", copies / "sync").stdout == b""


def test_getfattr_dumps_the_whole_tree(museum: Mounted) -> None:
    told = museum.run("getfattr", "-dR", ".").stdout.decode()
    assert told.count("user.jama.sha256=") == len(ids(museum))
    assert 'user.jama.meta.Dublin_Core.creator="É. Marchand"' in told or "user.jama.meta.Dublin_Core.creator=0s" in told
    assert "assetfs: " not in told


# ---- ways of reading ----


def test_cat_cmp_head_and_tail(museum: Mounted, demo_sandbox: RunningSandbox, copies: Path, truth: Truth) -> None:
    number = ids(museum)[f"./{REEL}"]
    (copies / "reel").write_bytes(truth[number])
    (copies / "reel").chmod(0o644)
    museum.run("cmp", REEL, copies / "reel")
    assert museum.run("head", "-c", "1000001", REEL).stdout == truth[number][:1000001]
    assert museum.run("tail", "-c", "1000001", REEL).stdout == truth[number][-1000001:]
    assert sha(museum.run("cat", REEL).stdout) == sha(truth[number])
    assert museum.run("cat", f"{LETTERS}/letter.txt").stdout.startswith(b"Dear Louise")


@pytest.mark.parametrize(
    ("block", "skip", "count"), [(1, 70_000, 3), (77_777, 13, 9), (4096, 16383, 5), (1 << 20, 60, 10), (65537, 1023, 9)]
)
def test_dd_with_odd_blocks(museum: Mounted, truth: Truth, block: int, skip: int, count: int) -> None:
    whole = truth[ids(museum)[f"./{REEL}"]]
    done = museum.run("dd", f"if={REEL}", f"bs={block}", f"skip={skip}", f"count={count}", "status=none")
    assert done.stdout == whole[block * skip : block * (skip + count)]


@pytest.mark.parametrize("access", ["ACCESS_READ", "ACCESS_COPY"])
def test_memory_maps_shared_and_private(museum: Mounted, truth: Truth, access: str) -> None:
    script = f"""
import hashlib, mmap, sys
with open(sys.argv[1], "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.{access}) as view:
    middle = view[33_000_001:33_000_101]
    print(middle.hex(), view.rfind(view[-8:]), hashlib.sha256(view).hexdigest())
"""
    whole = truth[ids(museum)[f"./{REEL}"]]
    middle, last, digest = museum.python(script, REEL).split()
    assert bytes.fromhex(middle) == whole[33_000_001:33_000_101]
    assert (int(last), digest) == (whole.rfind(whole[-8:]), sha(whole))


def test_sendfile_and_splice(museum: Mounted, truth: Truth) -> None:
    script = """
import hashlib, os, socket, sys, threading
def through(move, into, out):
    digest = hashlib.sha256()
    def drain():
        while piece := os.read(out, 1 << 20):
            digest.update(piece)
    thread = threading.Thread(target=drain)
    thread.start()
    with open(sys.argv[1], "rb") as file:
        position, size = 0, os.fstat(file.fileno()).st_size
        while position < size:
            position += move(into, file.fileno(), position)
    os.close(into)
    thread.join()
    print(digest.hexdigest())
reader, writer = os.pipe()
through(lambda into, file, at: os.splice(file, into, 1 << 20, offset_src=at), writer, reader)
one, other = socket.socketpair()
through(lambda into, file, at: os.sendfile(into, file, at, 1 << 20), one.detach(), other.detach())
"""
    whole = truth[ids(museum)[f"./{REEL}"]]
    assert museum.python(script, REEL).split() == [sha(whole)] * 2


def test_direct_reads_bypass_the_page_cache(museum: Mounted, truth: Truth) -> None:
    script = """
import mmap, os, sys
file = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECT)
buffer = mmap.mmap(-1, 1 << 20)
for at in (0, 4096, 33 << 20, (64 << 20) - 4096, 64 << 20):
    count = os.preadv(file, [buffer], at)
    print(at, count, __import__("hashlib").sha256(buffer[:count]).hexdigest())
"""
    whole = truth[ids(museum)[f"./{REEL}"]]
    for line in museum.python(script, REEL).splitlines():
        at, count, digest = line.split()
        expected = whole[int(at) : int(at) + (1 << 20)]
        assert (int(count), digest) == (len(expected), sha(expected))


def test_many_readers_at_once_get_the_right_bytes(museum: Mounted, truth: Truth) -> None:
    script = """
import concurrent.futures, hashlib, os, random, sys
def reader(seed):
    chance, found = random.Random(seed), []
    with open(sys.argv[1], "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        for _ in range(30):
            at, count = chance.randrange(size), chance.choice([1, 511, 4096, 70_000, 300_000])
            piece = os.pread(file.fileno(), count, at)
            found.append((at, count, hashlib.sha256(piece).hexdigest()))
    return found
pools = concurrent.futures.ThreadPoolExecutor, concurrent.futures.ProcessPoolExecutor
for pool in pools:
    with pool(8) as running:
        for found in running.map(reader, range(8)):
            for line in found:
                print(*line)
"""
    whole = truth[ids(museum)[f"./{REEL}"]]
    lines = museum.python(script, REEL).splitlines()
    assert len(lines) == 2 * 8 * 30
    for line in lines:
        at, count, digest = line.split()
        assert digest == sha(whole[int(at) : int(at) + int(count)])


def test_eight_cats_of_eight_files_at_once(museum: Mounted, truth: Truth) -> None:
    found = [path for path in ids(museum) if path.endswith((".jpg", ".png", ".tif"))][:8]
    running = [museum.start("sha256sum", path) for path in found]
    for path, process in zip(found, running, strict=True):
        output, _ = process.communicate(timeout=30)
        assert output.decode().split()[0] == sha(truth[ids(museum)[path]])


# ---- what is hard to name ----


def test_an_empty_file_is_empty(museum: Mounted) -> None:
    assert museum.run("stat", "-c", "%s %b", f"{LETTERS}/empty.txt").stdout == b"0 0\n"
    assert museum.run("cat", f"{LETTERS}/empty.txt").stdout == b""


def test_two_files_and_a_folder_of_one_title(museum: Mounted, truth: Truth) -> None:
    names = [name for name in museum.run("ls", ODD).stdout.decode().splitlines() if name.startswith("page")]
    assert names[0] == "page.txt"
    assert len(names) == 3
    assert museum.run("test", "-d", f"{ODD}/page.txt").returncode == 0
    contents = {museum.run("cat", f"{ODD}/{name}").stdout for name in names[1:]}
    assert contents == {b"the first of this title\n", b"the second of this title\n"}
    numbers = ids(museum)
    for name in names[1:]:
        assert name == f"page~{numbers[f'./{ODD}/{name}']}.txt"


def test_every_name_also_answers_with_its_number(museum: Mounted) -> None:
    numbers = ids(museum)
    for path in (f"{LETTERS}/letter.txt", f"{ODD}/é.txt"):
        stem, number = path.removesuffix(".txt"), numbers[f"./{path}"]
        assert museum.run("cat", f"{stem}~{number}.txt").stdout == museum.run("cat", path).stdout
        assert museum.run("cat", f"{stem}~{int(number) + 1}.txt", check=False).returncode == 1


def test_slashes_percent_signs_and_long_titles(museum: Mounted) -> None:
    assert museum.run("cat", f"{ODD}/recto%2Fverso.txt").stdout == b"a title with a slash\n"
    assert museum.run("cat", f"{ODD}/100%2525 wool.txt").stdout == b"a title with a percent sign and two digits\n"
    (long,) = [name for name in museum.run("ls", ODD).stdout.decode().splitlines() if name.startswith("long ")]
    assert len(long.encode()) <= 255
    assert museum.run("cat", f"{ODD}/{long}").stdout == b"a title of 309 letters\n"
    titles = museum.run("getfattr", "--only-values", "-n", "user.jama.title", f"{ODD}/recto%2Fverso.txt").stdout
    assert titles == b"recto/verso.txt"


def test_composed_and_decomposed_letters_are_two_names(museum: Mounted) -> None:
    assert museum.run("cat", f"{ODD}/\u00e9.txt").stdout == b"composed\n"
    assert museum.run("cat", f"{ODD}/e\u0301.txt").stdout == b"decomposed\n"


def test_what_is_deleted_or_in_no_collection_is_not_there(museum: Mounted) -> None:
    told = museum.run("find", ".").stdout.decode()
    assert "Ghost" not in told
    assert "nowhere.txt" not in told


def test_a_file_in_two_collections_is_one_file(museum: Mounted) -> None:
    places = [f"Museum of Nowhere/Photographs/{sub}Contact sheet.png" for sub in ("", "Landscapes/")]
    numbers = [museum.run("stat", "-c", "%i", place).stdout for place in places]
    assert numbers[0] == numbers[1]
    found = museum.run("find", ".", "-samefile", places[0]).stdout.decode().splitlines()
    assert sorted(found) == sorted(f"./{place}" for place in places)


def test_names_that_do_not_exist(museum: Mounted) -> None:
    for path in ("nothing", f"{LETTERS}/letter", f"{LETTERS}/LETTER.TXT", "Museum of Nowhere/..%2F"):
        done = museum.run("cat", path, check=False)
        assert b"No such file or directory" in done.stderr
    assert b"Not a directory" in museum.run("cat", f"{LETTERS}/letter.txt/x", check=False).stderr
    assert b"File name too long" in museum.run("cat", f"{LETTERS}/{'x' * 256}", check=False).stderr


# ---- the folder itself ----


def test_dot_and_dot_dot_are_where_they_belong(museum: Mounted) -> None:
    for folder in (".", LETTERS, f"{ODD}/deep/deeper/deepest"):
        assert museum.run("ls", "-a", folder).stdout.splitlines()[:2] == [b".", b".."]
        parent, other = (museum.run("stat", "-c", "%i", path).stdout for path in (f"{folder}/..", f"{folder}/../."))
        assert parent == other
    inside = museum.run("stat", "-c", "%i", f"{ODD}/deep/..").stdout
    assert inside == museum.run("stat", "-c", "%i", ODD).stdout


def test_listing_and_stat_agree_on_inodes(museum: Mounted) -> None:
    listed = museum.run(f"ls -ai '{ODD}' | grep -v '\\.$'").stdout.decode().splitlines()
    for line in listed:
        number, name = line.strip().split(" ", 1)
        assert museum.run("stat", "-c", "%i", f"{ODD}/{name}").stdout.decode().strip() == number


def test_df_and_statfs_answer(museum: Mounted) -> None:
    told = museum.run("stat", "-f", "-c", "%l %S %a", ".").stdout.split()
    assert int(told[0]) == 255
    assert int(told[2]) > 0
    assert b"jama+http://127.0.0.1" in museum.run("df", ".").stdout
    assert museum.run("findmnt -no FSTYPE -T .").stdout.strip() == b"fuse.assetfs"


# ---- what is not in the repository ----


def test_the_status_is_there_and_not_listed(museum: Mounted) -> None:
    assert b".assetfs" not in museum.run("ls", "-a").stdout
    assert museum.run("find", ".", "-name", ".assetfs").stdout == b""
    assert {b"by-id", b"metrics", b"search", b"status.json", b"tags", b"uploads"} <= set(
        museum.run("ls", ".assetfs").stdout.split()
    )
    told = json.loads(museum.run("cat", ".assetfs/status.json").stdout)
    assert told["state"] == "ok"
    assert told["user"] == "admin"
    assert museum.run("ls", "-la", ".assetfs/by-id").stdout.count(b"\n") == 3


def test_by_id_leads_to_the_file(museum: Mounted) -> None:
    for path, number in ids(museum).items():
        if "Contact" in path:
            continue
        link = f".assetfs/by-id/r{number}"
        assert museum.run("realpath", "--relative-to=.", link).stdout.decode().rstrip("\n") == path.removeprefix("./")
        assert museum.run("stat", "-Lc", "%i", link).stdout == museum.run("stat", "-c", "%i", path).stdout
    folder = museum.run("getfattr", "--only-values", "-n", "user.assetfs.id", ODD).stdout.decode()
    assert museum.run("readlink", f".assetfs/by-id/{folder}").stdout.decode().strip() == f"../../{ODD}"
    for nonsense in ("r999999", "x", "..%2F..", "r1/../../etc", "c0"):
        assert museum.run("readlink", f".assetfs/by-id/{nonsense}", check=False).returncode != 0


def test_foreign_attributes_do_not_exist(museum: Mounted) -> None:
    script = """
import errno, os, sys
for name in ("security.selinux", "security.capability", "system.posix_acl_access", "trusted.overlay.opaque"):
    try:
        os.getxattr(sys.argv[1], name)
    except OSError as error:
        print(errno.errorcode[error.errno])
for name in ("user.nothing", "user.jama.nothing", "user.xdg.nothing", "user.assetfs.nothing", "user."):
    try:
        os.getxattr(sys.argv[1], name)
    except OSError as error:
        print(errno.errorcode[error.errno])
"""
    told = museum.python(script, f"{LETTERS}/letter.txt").split()
    assert told[0:3] == ["ENOTSUP"] * 3
    assert told[3] in ("ENOTSUP", "ENODATA")  # who is not root is not even asked
    assert set(told[4:]) <= {"ENODATA", "EINVAL"}


# ---- nothing can be changed where that was asked for ----


def test_every_change_is_refused_with_erofs(users_drive: Mounted) -> None:
    script = """
import errno, os, sys
file, folder = sys.argv[1:]
actions = {
    "write": lambda: os.open(file, os.O_WRONLY), "append": lambda: os.open(file, os.O_WRONLY | os.O_APPEND),
    "both": lambda: os.open(file, os.O_RDWR), "truncating": lambda: os.open(file, os.O_WRONLY | os.O_TRUNC),
    "create": lambda: os.open(folder + "/new.txt", os.O_WRONLY | os.O_CREAT, 0o644),
    "truncate": lambda: os.truncate(file, 0), "mkdir": lambda: os.mkdir(folder + "/new"),
    "rmdir": lambda: os.rmdir(folder), "unlink": lambda: os.unlink(file), "mknod": lambda: os.mknod(folder + "/n"),
    "rename": lambda: os.rename(file, folder + "/new.txt"), "link": lambda: os.link(file, folder + "/new.txt"),
    "symlink": lambda: os.symlink("x", folder + "/new"), "chmod": lambda: os.chmod(file, 0o600),
    "chown": lambda: os.chown(file, os.getuid(), os.getgid()), "utime": lambda: os.utime(file),
    "setxattr": lambda: os.setxattr(file, "user.xdg.tags", b"x"),
    "removexattr": lambda: os.removexattr(file, "user.jama.meta.Dublin_Core.title"),
}
for name, action in actions.items():
    try:
        action()
    except OSError as error:
        print(name, errno.errorcode[error.errno])
    else:
        print(name, "done")
"""
    told = users_drive.python(script, f"{LETTERS}/letter.txt", LETTERS).splitlines()
    assert {line.split()[1] for line in told} == {"EROFS"}, told
    assert len(told) == 18
