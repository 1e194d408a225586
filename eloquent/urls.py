"""Where each path leads. The request road's paths come first; the rest are pages of the desk road."""

from django.contrib import admin
from django.urls import path

from accounts.api import jwks
from chat import pages
from eloquent.api import api
from eloquent.health import healthz, readyz

urlpatterns = [
    path("api/v1/", api.urls),
    path(".well-known/jwks.json", jwks),
    path("healthz", healthz),
    path("readyz", readyz),
    path("admin/", admin.site.urls),
    path("", pages.index, name="page"),
]
