"""What the site keeps."""

from django.db import models


class Author(models.Model):
    name = models.CharField(max_length=100, unique=True)

    def __str__(self):
        return self.name


class Book(models.Model):
    author = models.ForeignKey(Author, models.CASCADE, related_name="books")
    title = models.CharField(max_length=200)
    pages = models.IntegerField(default=0)
    facts = models.JSONField(default=dict)
    added = models.DateTimeField(auto_now_add=True)

    def __str__(self):
        return self.title


class Counter(models.Model):
    """What every request of a test adds to."""

    name = models.CharField(max_length=20, primary_key=True)
    value = models.BigIntegerField(default=0)
