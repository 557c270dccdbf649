"""The groups Uploaders, Reviewers, Trainers and Administrators and what they may do.

Made by a migration, and again by ``post_migrate`` when one is missing; a group that exists is left as it is, so what
an administrator changed stays changed. Django makes permissions after all migrations of an app, so those that a
group needs are made here; Django finds them later and leaves them alone.
"""

from __future__ import annotations

from typing import Any

VIEWED_BY_REVIEWERS = {
    "videos": ("video", "shot", "tag", "textsegment"),
    "duplicates": ("duplicategroup", "videomatch", "matchedsegment", "reviewdecision"),
}
ACTIONS = ("add", "change", "delete", "view")
ADMINISTERED = {
    "core": ("job",),
    "accounts": ("apitoken",),
    "videos": ("video", "shot", "tag", "textsegment", "upload", "importedfile"),
    "embeddings": ("modelversion", "clipembedding", "frameembedding"),
    "search": ("searchsnapshot", "feedback"),
    "duplicates": ("duplicategroup", "videomatch", "matchedsegment", "groupmember", "reviewdecision", "lookup"),
    "training": ("dataset", "trainingrun", "evaluationreport", "promotiondecision"),
    "auth": ("user", "group"),
}


def groups_ensure(apps: Any) -> None:
    """``apps``: the registry, or a migration's state of it."""
    group_model = apps.get_model("auth", "Group")
    for name, permissions in GROUPS:
        group, created = group_model.objects.get_or_create(name=name)
        if created:
            group.permissions.add(*permissions(apps))


def administrators_extend(apps: Any, permissions: Any) -> None:
    """For a migration that brings a new app: administrators of a library that exists may use it, too."""
    for group in apps.get_model("auth", "Group").objects.filter(name="Administrators"):
        group.permissions.add(*permissions(apps))


def training_permissions(apps: Any) -> list[Any]:
    """All of the training app and of the feedback of searches."""
    models = [*(("training", model) for model in ADMINISTERED["training"]), ("search", "feedback")]
    return [*_train(apps), *(_standard(apps, app, model, action) for app, model in models for action in ACTIONS)]


def _upload(apps: Any) -> list[Any]:
    return [_permission(apps, "videos", "video", "upload_video", "Can upload and import videos")]


def _review(apps: Any) -> list[Any]:
    viewed = [_standard(apps, app, model, "view") for app, models in VIEWED_BY_REVIEWERS.items() for model in models]
    return [_standard(apps, "duplicates", "duplicategroup", "change"), *viewed]


def _administer(apps: Any) -> list[Any]:
    name = "Can administer vsearch (models, scans, jobs of others)"
    everything = [
        _standard(apps, app, model, action)
        for app, models in ADMINISTERED.items()
        for model in models
        for action in ACTIONS
    ]
    return [_permission(apps, "core", "job", "administer", name), *_upload(apps), *_train(apps), *everything]


def _train(apps: Any) -> list[Any]:
    return [_permission(apps, "training", "trainingrun", "train", "Can train and promote models")]


def _standard(apps: Any, app: str, model: str, action: str) -> Any:
    return _permission(apps, app, model, f"{action}_{model}", f"Can {action} {model}")


def _permission(apps: Any, app: str, model: str, codename: str, name: str) -> Any:
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(app_label=app, model=model)
    permission, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename=codename, defaults={"name": name}
    )
    return permission


GROUPS = (("Uploaders", _upload), ("Reviewers", _review), ("Trainers", _train), ("Administrators", _administer))
