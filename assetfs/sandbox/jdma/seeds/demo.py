"""The seed `demo`: a climate archive with three batches, the files of one of them on disk.

A model run in many files, a reanalysis of which a colleague keeps the label with a slash in it, and observations with
names that are hard to mount. The observations were retrieved: a copy is in the stage, as a recall leaves it, and the
originals are where they were put from. All bytes, ids and dates are the same every time.
"""

from __future__ import annotations

from assetfs.sandbox.jdma import netcdf
from assetfs.sandbox.jdma.seeds.planting import Contents, Planter
from assetfs.sandbox.options import Options

GRID = (12, 24)
RETRIEVED = "3-5eed0a17"  # as the mount names a target: the batch, and eight digits


def plant(planter: Planter, options: Options) -> None:
    """Make the archive."""
    planter.batch("CMIP6 historical", "cmip6-historical", _model(), "2023-11-21")
    planter.batch("reanalysis/monthly 2019", "reanalysis-2019", _reanalysis(), "2024-02-09")
    observed = _observations()
    planter.batch("station observations", "observations", observed, "2024-06-30")
    planter.lay_out("observations", observed)
    planter.lay_out(f"get/{RETRIEVED}", observed)


def _model() -> Contents:
    fields = {"tas": ("Near-surface air temperature", "K"), "pr": ("Precipitation", "kg m-2 s-1")}
    contents: Contents = {"README.txt": b"One model, two variables, ten years.\n"}
    for index, (name, (title, units)) in enumerate(fields.items()):
        for year in range(1990, 2000):
            content = netcdf.field(name, title, units, 12, GRID, index * 10 + year - 1990)
            contents[f"{name}/{name}_Amon_demo_historical_{year}01-{year}12.nc"] = content
    return contents


def _reanalysis() -> Contents:
    contents: Contents = {"checksums.md5": b""}
    for month in range(1, 13):
        content = netcdf.field("t2m", "2 metre temperature", "K", 4, GRID, month)
        contents[f"2019/{month:02d}/t2m_2019{month:02d}.nc"] = content
    return contents


def _observations() -> Contents:
    header = b"time,temperature\n"
    return {
        "stations.csv": b"id,name,latitude\n1,Nordstation,64.1\n2,Z\xc3\xbcrich Fluntern,47.4\n",
        "2024/Nordstation.csv": header + b"".join(b"2024-01-%02d,%.1f\n" % (day, -3 - day / 7) for day in range(1, 32)),
        "2024/Zürich Fluntern.csv": header + b"".join(b"2024-01-%02d,%.1f\n" % (day, day / 5) for day in range(1, 32)),
        "2024/観測 %41.csv": header,
        "2024/no data yet.csv": b"",
        "2024/gridded.nc": netcdf.field("tas", "Gridded station temperatures", "K", 1, GRID, 3),
    }
