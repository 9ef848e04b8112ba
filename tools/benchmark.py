from paddleseg_lite.cli.benchmark import main

if __name__ == "__main__":
    main()
