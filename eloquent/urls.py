"""Where each path leads. The request road's paths come first; the rest are pages of the desk road."""

from django.contrib import admin
from django.http import Http404
from django.urls import path, re_path
from django.views.defaults import page_not_found

from accounts.api import jwks
from accounts.pages import account
from accounts.second_factor import console_pages
from accounts.staff_password import change_own_password
from chat import openai_api, pages
from eloquent.api import api
from eloquent.health import healthz, readyz

urlpatterns = [
    path("api/v1/", api.urls),
    path("v1/chat/completions", openai_api.create_completion),
    path("v1/embeddings", openai_api.create_embeddings),
    path("v1/models", openai_api.list_models),
    path("v1/models/<path:model_id>", openai_api.read_model),
    path(".well-known/jwks.json", jwks),
    path("healthz", healthz),
    path("readyz", readyz),
    # Django's way from an object to its page on the site: no object here has one, and ids like ours are a fault to it.
    re_path("^admin/r/", page_not_found, {"exception": Http404()}),
    path("admin/second-factor/", console_pages.second_factor, name="second_factor"),
    path("admin/second-factor/passkey/", console_pages.passkey_question, name="second_factor_passkey"),
    path("admin/password_change/", change_own_password),
    path("admin/", admin.site.urls),
    path("account", pages.account, name="own_account"),
    path("account/exports", pages.account, name="own_exports"),
    path("account/<slug:page>", account, name="account"),
    path("", pages.index, name="page"),
]
