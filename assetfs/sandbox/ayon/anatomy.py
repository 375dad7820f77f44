"""The stock anatomy: what a freshly deployed project has for types, statuses, tags, links, roots and templates.

A project keeps it in the form of `GET /projects/{p}`; `listed` turns it into the other form that the server has.
"""

from __future__ import annotations

import copy
from typing import Any

from assetfs.sandbox.ayon.attributes import DEFAULTS

PALETTE = ("#7f8c9d", "#3f9ed4", "#d4823f", "#5fb35f", "#b35f9e", "#c9b13a", "#c0504d", "#6a6fd0")

_FOLDER_TYPES = (
    ("Folder", "", "folder"),
    ("Library", "lib", "category"),
    ("Asset", "", "smart_toy"),
    ("Episode", "ep", "live_tv"),
    ("Sequence", "sq", "theaters"),
    ("Shot", "sh", "movie"),
)
_TASK_TYPES = (
    ("Generic", "gener", "task_alt"),
    ("Art", "art", "palette"),
    ("Modeling", "mdl", "language"),
    ("Texture", "tex", "brush"),
    ("Lookdev", "look", "ev_shadow"),
    ("Rigging", "rig", "construction"),
    ("Edit", "edit", "imagesearch_roller"),
    ("Layout", "lay", "nature_people"),
    ("Setdress", "dress", "scene"),
    ("Animation", "anim", "directions_run"),
    ("FX", "fx", "fireplace"),
    ("Lighting", "lgt", "highlight"),
    ("Paint", "paint", "video_stable"),
    ("Compositing", "comp", "layers"),
    ("Roto", "roto", "gesture"),
    ("Matchmove", "matchmove", "switch_video"),
)
_STATUSES = (
    ("Not ready", "NRD", "not_started", "fiber_new", ("folder", "product", "task")),
    ("Ready to start", "RDY", "not_started", "timer", ("folder", "task")),
    ("In progress", "PRG", "in_progress", "play_arrow", ("folder", "task")),
    ("Pending review", "RVW", "in_progress", "visibility", ("folder", "version", "task")),
    ("Approved", "APP", "done", "task_alt", ("folder", "product", "version", "task")),
    ("On hold", "HLD", "blocked", "back_hand", ("folder", "task")),
    ("Omitted", "OMT", "blocked", "block", ("folder", "product", "version", "representation", "task")),
)
_LINK_TYPES = (("generative", "version"), ("breakdown", "folder"), ("reference", "version"), ("template", "folder"))
_PRODUCT_BASE_TYPES = [
    "image",
    "render",
    "review",
    "plate",
    "camera",
    "model",
    "texture",
    "look",
    "rig",
    "animation",
    "cache",
    "layout",
    "setdress",
    "groom",
    "matchmove",
    "vdbcache",
    "lightrig",
    "lut",
    "workfile",
]

_ENTITY = "{root[work]}/{project[name]}/{hierarchy}/{folder[name]}"
_PUBLISH = f"{_ENTITY}/publish/{{product[type]}}/{{product[name]}}"
_STEM = "{project[code]}_{folder[name]}_{product[name]}"


def _template(directory: str, file: str) -> dict[str, str]:
    return {"directory": directory, "file": file}


TEMPLATES: dict[str, Any] = {
    "common": {
        "frame": "{frame:0>{@frame_padding}}",
        "version": "v{version:0>{@version_padding}}",
        "frame_padding": 4,
        "version_padding": 3,
    },
    "work": {
        "default": _template(
            f"{_ENTITY}/work/{{task[name]}}",
            "{project[code]}_{folder[name]}_{task[name]}_{@version}<_{comment}>.{ext}",
        ),
        "unreal": _template("{root[work]}/{project[name]}/unreal/{task[name]}", "{project[code]}_{folder[name]}.{ext}"),
    },
    "publish": {
        "default": _template(
            f"{_PUBLISH}/{{@version}}", f"{_STEM}_{{@version}}<_{{output}}><.{{@frame}}><_{{udim}}>.{{ext}}"
        ),
        "render": _template(f"{_PUBLISH}/{{@version}}", f"{_STEM}_{{@version}}<_{{output}}><.{{@frame}}>.{{ext}}"),
        "online": _template(f"{_PUBLISH}/{{@version}}", "{originalBasename}<.{@frame}><_{udim}>.{ext}"),
        "source": _template("{root[work]}/{originalDirname}", "{originalBasename}.{ext}"),
        "maya2unreal": _template(
            f"{_ENTITY}/publish/{{product[type]}}", "{product[name]}_{@version}<_{output}><.{@frame}>.{ext}"
        ),
        "simpleUnrealTexture": _template(
            f"{_ENTITY}/publish/{{product[type]}}/{{@version}}", "{originalBasename}_{@version}.{ext}"
        ),
        "simpleUnrealTextureHero": _template(f"{_ENTITY}/publish/{{product[type]}}/hero", "{originalBasename}.{ext}"),
        "unrealuasset": _template(f"{_PUBLISH}/{{@version}}", "{originalBasename}.{ext}"),
    },
    "hero": {
        "default": _template(f"{_PUBLISH}/hero", f"{_STEM}_hero<_{{output}}><.{{@frame}}><_{{udim}}>.{{ext}}"),
    },
}
ROOTS = {"work": {"windows": "C:/projects", "linux": "/mnt/share/projects", "darwin": "/Volumes/projects"}}


def _coloured(number: int) -> str:
    return PALETTE[number % len(PALETTE)]


def stock() -> dict[str, Any]:
    """A new project's anatomy, every part of its own."""
    types = [
        [
            {"name": name, "shortName": short, "color": _coloured(n), "icon": icon}
            for n, (name, short, icon) in enumerate(table)
        ]
        for table in (_FOLDER_TYPES, _TASK_TYPES)
    ]
    definitions = [
        {"name": name, "color": _coloured(n), "icon": "category"} for n, name in enumerate(_PRODUCT_BASE_TYPES)
    ]
    return copy.deepcopy(
        {
            "folderTypes": types[0],
            "taskTypes": types[1],
            "linkTypes": [
                {
                    "name": f"{name}|{kind}|{kind}",
                    "linkType": name,
                    "inputType": kind,
                    "outputType": kind,
                    "data": {"color": _coloured(n), "style": "solid"},
                }
                for n, (name, kind) in enumerate(_LINK_TYPES)
            ],
            "statuses": [
                {
                    "name": name,
                    "shortName": short,
                    "state": state,
                    "icon": icon,
                    "color": _coloured(n),
                    "scope": list(scope),
                }
                for n, (name, short, state, icon, scope) in enumerate(_STATUSES)
            ],
            "tags": [{"name": "important", "color": "#c0504d"}, {"name": "for reel", "color": "#5fb35f"}],
            "config": {
                "roots": ROOTS,
                "templates": TEMPLATES,
                "entityNaming": {},
                "productBaseTypes": {
                    "default": {"color": PALETTE[0], "icon": "category"},
                    "definitions": definitions,
                },
            },
            "attrib": DEFAULTS,
        }
    )


def listed(project: dict[str, Any], attrib: dict[str, Any]) -> dict[str, Any]:
    """The same in the form of `GET /projects/{p}/anatomy`: lists, and keys in snake case."""

    def original(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**entry, "original_name": entry["name"]} for entry in entries]

    config = project["config"]
    templates = dict(config["templates"].get("common", {}))
    for category in ("work", "publish", "hero", "delivery", "staging", "others"):
        entries = config["templates"].get(category, {})
        templates[category] = [{"name": name, **entry} for name, entry in entries.items()]
    return {
        "roots": [{"name": name, **paths} for name, paths in config["roots"].items()],
        "templates": templates,
        "attributes": attrib,
        "folder_types": original(project["folderTypes"]),
        "task_types": original(project["taskTypes"]),
        "link_types": [
            {
                "link_type": entry["linkType"],
                "input_type": entry["inputType"],
                "output_type": entry["outputType"],
                **entry["data"],
            }
            for entry in project["linkTypes"]
        ],
        "statuses": original(project["statuses"]),
        "tags": original(project["tags"]),
        "product_base_types": config.get("productBaseTypes", {}),
        "entity_naming": config.get("entityNaming", {}),
    }


def deployed(anatomy: dict[str, Any]) -> dict[str, Any]:
    """The stock anatomy with what a list-form anatomy changes: the way projects are made from one."""
    made = stock()
    for mine, theirs in (("folderTypes", "folder_types"), ("taskTypes", "task_types"), ("statuses", "statuses")):
        if theirs in anatomy:
            made[mine] = [{k: v for k, v in e.items() if k != "original_name"} for e in anatomy[theirs]]
    if "tags" in anatomy:
        made["tags"] = [{k: v for k, v in e.items() if k != "original_name"} for e in anatomy["tags"]]
    if "roots" in anatomy:
        made["config"]["roots"] = {r["name"]: {k: v for k, v in r.items() if k != "name"} for r in anatomy["roots"]}
    made["attrib"] |= anatomy.get("attributes") or {}
    return made
