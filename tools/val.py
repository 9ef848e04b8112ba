from paddleseg_lite.cli.val import main

if __name__ == "__main__":
    main()
